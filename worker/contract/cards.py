"""Models as workers announce them and the API shows them, and the announcements
themselves."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from worker.contract import keys
from worker.contract.colours import levels
from worker.contract.jobs import JobSpec
from worker.contract.kinds import KINDS
from worker.contract.kinds.add import KIND as ADD
from worker.contract.record import Int64, Record
from worker.contract.traits import Label, Method

FIRST = "mnist-diagonal-bilstm"
"""The model of README's first call and of the page's first view. Workers load it before
the others, and it is the first to be prepared for browsers."""


def _only(known: Iterable[str]) -> BeforeValidator:
    """Return a validator that removes words which this version does not know."""
    return BeforeValidator(
        lambda words: (
            [word for word in words if word in tuple(known)]
            if isinstance(words, list | tuple)
            else words
        )
    )


class ModelFacts(Record):
    """The facts of a model that the API shows: part of its card and of its
    configuration."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    name: str
    """Name of the model in requests."""
    network: str
    """Kind of its network: `pixel-cnn`, `row-lstm` or `diagonal-bilstm`."""
    height: int = Field(ge=1)
    """Height of its images, in pixels."""
    width: int = Field(ge=1)
    """Width of its images, in pixels."""
    channels: int = Field(ge=1)
    """1 = grey, 3 = red, green and blue."""
    small_height: int = Field(default=0, ge=0)
    """Height of the small image that a Multi-Scale model draws first, and that
    upsampling takes; 0 for others."""
    small_width: int = Field(default=0, ge=0)
    """Width of the small image that a Multi-Scale model draws first, and that
    upsampling takes; 0 for others."""
    values: int = Field(ge=2)
    """Number of values of a colour: 256, or fewer, such as 2 for binary images."""
    parameters: Int64
    """Number of learnt parameters."""
    data: str
    """The data it was trained on."""
    test_nats: float | None = None
    """Mean negative log-likelihood of a test image, in nats: lower is better. Null if
    it was not measured."""
    test_bits_per_dim: float | None = None
    """The same in bits for each colour of each pixel."""
    digest: str
    """SHA-256 of the weights; for a model with several members, of the list of their
    orientations and digests."""
    title: str = ""
    """The network's name in the paper."""
    members: tuple[str, ...] = ("none",)
    """The orientation of each of its networks, `none` for upright. A mixture has
    several networks and draws each image with one of them."""
    methods: Annotated[tuple[Method, ...], _only(Method)] = (Method.CLAMP,)
    """The methods by which it completes images, the default first."""
    max_particles: int = Field(default=0, ge=0)
    """Most particles for each image of a completion by `posterior`; 0 if it does not
    offer that method."""
    labels: tuple[Label, ...] = ()
    """The labels that requests can ask for, in their order; empty for most models."""
    field: bool = False
    """True if its fields, pictures larger than its own (`size` of `POST /sample`), were
    inspected and are good."""
    field_step: int = Field(default=0, ge=0)
    """Rows between the starts of two neighbouring windows of a field; 0 if it has no
    fields."""
    palette: tuple[str, ...] = ()
    """The colour of each value, `#rrggbb` or `#rrggbbaa`, for a model whose values are
    categories: bytes of its rows are then values, and its pictures have this palette.
    Empty for other models."""
    names: tuple[str, ...] = ()
    """Names of these categories; empty for most models."""


class ModelCard(ModelFacts):
    """A model that a worker announces: its facts, what the worker can do with it, and
    whether it is ready."""

    identity: str = ""
    """SHA-256 of everything that gives the model its meaning (model_core.card); empty
    if a worker of an earlier version announces it."""
    can: Annotated[tuple[str, ...], _only(KINDS)] = ("sample", "complete")
    """The kinds of job that it takes; upsampling needs a Multi-Scale model. Kinds that
    the reading version does not know are removed."""
    compiling: bool = False
    """True while the worker compiles or reads its drawing loops: jobs are accepted and
    wait."""
    owner: str = ""
    """The key that added the model and is the only one to see it; empty if everybody
    sees it."""
    job: str = ""
    """Id of the job that added it; empty if none did."""
    cold: bool = False
    """True if its loops are not on disk and are compiled first, which takes half a
    minute of CPU time."""
    on_processors: str = ""
    """Why the worker draws from it on the CPU instead of its GPU; empty if it does
    not."""
    unloaded: bool = False
    """True while its weights are not in memory: a job is accepted, and waits until they
    are loaded again."""

    @property
    def draws(self) -> bool:
        """True if the worker can draw from the model now."""
        return not self.compiling and not self.unloaded

    @property
    def levels(self) -> int:
        """Number of different values that a byte of its rows and pictures may have."""
        return levels(self.values, self.palette)

    @property
    def identity_or_digest(self) -> str:
        """The model's identity, or the SHA-256 of its weights if the identity is not
        known."""
        return self.identity or self.digest

    def is_of(self, spec: JobSpec) -> bool:
        """Return True if the job was accepted for this model: the name is the same, and
        `answers_to` holds for weights and identity."""
        return self.name == spec.model and self.answers_to(spec.digest, spec.identity)

    def answers_to(self, digest: str, identity: str) -> bool:
        """Return True if the weights are the same and the identities do not differ. An
        empty identity, as in records of earlier versions, matches any."""
        return self.digest == digest and (
            "" in (self.identity, identity) or self.identity == identity
        )

    def does(self, spec: JobSpec) -> bool:
        """Return True if this is the job's model, its kind is in `can`, and the model
        supports the job's options."""
        return self.is_of(spec) and spec.kind in self.can and spec.options.fits(self)


def _readable_cards(cards: Any) -> Any:
    return (
        [card for card in cards if _is_card(card)]
        if isinstance(cards, list | tuple)
        else cards
    )


def _is_card(card: Any) -> bool:
    try:
        ModelCard.model_validate(card)
    except ValidationError:
        return False
    return True


class RefusedModel(Record):
    """A model in the models directory that a worker examined and does not serve."""

    name: str
    """Name of its directory or card."""
    reason: str
    """A sentence that says why."""
    owner: str = ""
    """The key that added it and is the only one to see the refusal; empty if everybody
    sees it."""
    job: str = ""
    """Id of the job that added it; empty if none did."""
    identity: str = ""
    """Identity of the refused model; empty if its card cannot be read, or if the model
    will be examined again."""


class ExaminedDraft(Record):
    """The result of examining a draft: the new version of an added model.

    A worker announces it. The draft is served once an API has given it the model's name
    (worker/contract/added.py).
    """

    job: str
    """Id of the job that exchanges the model."""
    name: str
    """The model's name."""
    reason: str = ""
    """Why the draft must not be served; empty if it may be."""
    owner: str = ""
    """The key that is the only one to see it; empty if everybody sees it."""

    def refusal(self) -> RefusedModel:
        """Return the draft as a refused model, for an announcement's readers."""
        return RefusedModel(
            name=self.name, reason=self.reason, owner=self.owner, job=self.job
        )


class WorkerInfo(Record):
    """The announcement of a live worker, which it writes once its models are loaded and
    whenever something changes.

    All methods named `with_` and `without_` return a changed copy.
    """

    name: str
    """Name of the worker, unique among live workers."""
    device: str
    """The device that draws, such as `cpu` or `cuda`."""
    slots: int
    """How many images of each model it draws at once."""
    threads: int = 1
    """Number of drawing threads."""
    models: Annotated[tuple[ModelCard, ...], BeforeValidator(_readable_cards)]
    """The models that it serves, sorted by name. Cards that this version cannot read
    are removed."""
    started_at: float
    """Time of its start, in seconds since 1970."""
    queue: str = keys.QUEUE
    """The only queue from which it takes jobs."""
    version: int = 1
    """The highest `JobSpec.version` that it can do."""
    host: str = ""
    """Name of its machine or container; empty in announcements of 0.4.0."""
    release: str = ""
    """Version of its software; empty in announcements of 0.4.0."""
    drained: bool = False
    """True if an operator drains it: it takes no more jobs, but may still hold some."""
    kept: Annotated[tuple[ModelCard, ...], BeforeValidator(_readable_cards)] = ()
    """Replaced weights that it still holds for jobs accepted earlier; new jobs are not
    accepted for them."""

    refused: tuple[RefusedModel, ...] = ()
    """Models in its directory that it does not serve."""
    drafts: tuple[ExaminedDraft, ...] = ()
    """Drafts of exchanges that it has examined."""

    @property
    def is_trainer(self) -> bool:
        """True if it trains models and draws from none."""
        return self.queue == keys.TRAIN_QUEUE

    def takes(self, spec: JobSpec) -> bool:
        """Return True if this worker can do the job: it knows the job's version, and it
        serves or keeps the job's model and second model, if there is one.

        A trainer takes every job of its queue whose version it knows. A job that adds a
        model is taken by a worker that has examined this model.
        """
        if spec.kind == ADD.word:
            return self.examined(spec) is not None
        if self.version < spec.version:
            return False
        if self.is_trainer:
            return True
        if spec.options.second_model and self.second_card_of(spec) is None:
            return False
        return any(card.does(spec) for card in (*self.models, *self.kept))

    def examined(self, spec: JobSpec) -> ModelCard | RefusedModel | None:
        """Return the result for the model that this job adds: its card if it is served,
        the refusal if it is not, or None while neither is known."""
        served = (card for card in self.models if not card.compiling)
        bad_drafts = (draft.refusal() for draft in self.drafts if draft.reason)
        found = (*served, *self.refused, *bad_drafts)
        return next((one for one in found if one.job == spec.id), None)

    def refusal_of(self, spec: JobSpec) -> RefusedModel | None:
        """Return the refusal of exactly the model that this job was accepted for, or
        None. A model that will be examined again does not count as refused."""
        named = (one for one in self.refused if one.name == spec.model)
        return next(
            (one for one in named if one.identity and one.identity == spec.identity),
            None,
        )

    def knows_job(self, job_id: str) -> bool:
        """Return True if a model that this job added is announced, ready or not, or
        refused."""
        return any(one.job == job_id for one in (*self.models, *self.refused))

    def holds(self, spec: JobSpec) -> bool:
        """Return True if it serves or keeps the model that the job was accepted for."""
        return self.card_of(spec) is not None

    def card_of(self, spec: JobSpec) -> ModelCard | None:
        """Return the card of the model that the job was accepted for, served or kept;
        None if the worker does not hold it."""
        cards = (*self.models, *self.kept)
        return next((card for card in cards if card.is_of(spec)), None)

    def is_ready(self, spec: JobSpec) -> bool:
        """Return True if it could begin the job at once: the job's models are compiled
        and in memory. A trainer is always ready; for a job that adds a model, the model
        must have been examined."""
        if self.is_trainer or self.examined(spec):
            return True
        card = self.card_of(spec)
        second = self.second_card_of(spec)
        # A missing second model does not delay the job: its order is refused at once.
        return card is not None and card.draws and (second is None or second.draws)

    def second_card_of(self, spec: JobSpec) -> ModelCard | None:
        """Return the card of the second model (`against` of a score) that the job was
        accepted for, served or kept. Return None if the job has none, or the worker
        does not hold it."""
        name = spec.options.second_model
        identity = spec.options.second_identity
        # Jobs of earlier versions have only its name.
        if not identity:
            return next((card for card in self.models if card.name == name), None)
        named = (card for card in (*self.models, *self.kept) if card.name == name)
        return next(
            (card for card in named if identity in (card.identity, card.digest)), None
        )

    def with_kept(self, card: ModelCard) -> "WorkerInfo":
        """Return a copy that holds these weights in memory: those of a served model, or
        else kept ones."""
        if any(_is_same(one, card) for one in self.models):
            return self._with_unloaded(card, unloaded=False)
        kept = (one for one in self.kept if not _is_same(one, card))
        return self.model_copy(update={"kept": (*kept, card)})

    def without_weights(self, card: ModelCard) -> "WorkerInfo":
        """Return a copy without these weights in memory. A served model is marked as
        unloaded, and its next job loads it again; kept weights are removed."""
        kept = tuple(one for one in self.kept if not _is_same(one, card))
        without = self.model_copy(update={"kept": kept})
        return without._with_unloaded(card, unloaded=True)

    def _with_unloaded(self, card: ModelCard, unloaded: bool) -> "WorkerInfo":
        models = (
            one.model_copy(update={"unloaded": unloaded})
            if _is_same(one, card)
            else one
            for one in self.models
        )
        return self.model_copy(update={"models": tuple(models)})

    def with_served(self, card: ModelCard) -> "WorkerInfo":
        """Return a copy that serves this model. If it replaces a ready model of the
        same name, the old one is kept for the jobs accepted for it."""
        before = self.without_model(card.name)
        models = sorted((*before.models, card), key=lambda model: model.name)
        kept = (old for old in before.kept if not _is_same(old, card))
        return before.model_copy(update={"models": tuple(models), "kept": tuple(kept)})

    def without_model(self, name: str) -> "WorkerInfo":
        """Return a copy that accepts no new jobs for the model of this name, and has no
        refusal of it. If the model was ready, it is kept for the jobs accepted for
        it."""
        models = tuple(card for card in self.models if card.name != name)
        kept = (
            *self.kept,
            *(card for card in self.models if card.name == name and card.draws),
        )
        refused = tuple(one for one in self.refused if one.name != name)
        return self.model_copy(
            update={"models": models, "kept": kept, "refused": refused}
        )

    def with_refused(self, refused: RefusedModel) -> "WorkerInfo":
        """Return a copy that reports this refusal, in place of an earlier one of the
        same name. A model of this name that was announced as compiling is no longer
        served."""
        others = tuple(one for one in self.refused if one.name != refused.name)
        # A model is announced as compiling while it is being examined.
        models = tuple(
            card
            for card in self.models
            if card.name != refused.name or not card.compiling
        )
        return self.model_copy(update={"models": models, "refused": (*others, refused)})

    def with_draft(self, draft: ExaminedDraft) -> "WorkerInfo":
        """Return a copy with this examined draft, in place of an earlier one of the
        same job."""
        others = self.without_draft(draft.job).drafts
        return self.model_copy(update={"drafts": (*others, draft)})

    def without_draft(self, job: str) -> "WorkerInfo":
        """Return a copy without the draft of this job."""
        others = tuple(draft for draft in self.drafts if draft.job != job)
        return self.model_copy(update={"drafts": others})

    @property
    def ready(self) -> tuple[str, ...]:
        """Names of the models that have been compiled; some may be unloaded."""
        return tuple(card.name for card in self.models if not card.compiling)

    def with_compiled(self, model: str) -> "WorkerInfo":
        """Return a copy in which the model of this name is compiled and ready."""
        ready = {"compiling": False, "cold": False}
        models = (
            card.model_copy(update=ready) if card.name == model else card
            for card in self.models
        )
        return self.model_copy(update={"models": tuple(models)})

    def entry(self) -> str:
        """Return the announcement as JSON, without the fields that have their default,
        so that an API of an earlier version can read it."""
        return self.model_dump_json(exclude_defaults=True)


def _is_same(one: ModelCard, other: ModelCard) -> bool:
    return (one.name, one.identity_or_digest) == (other.name, other.identity_or_digest)


class AnnouncementReader:
    """Reads the workers' announcements, and parses a text only if it has changed since
    the previous call.

    An API reads all of them twice a second. With a hundred workers, parsing unchanged
    texts took a tenth of a CPU core.
    """

    def __init__(self) -> None:
        self._parsed: dict[bytes | str, WorkerInfo | None] = {}
        """The texts of the previous call -> their announcements."""

    def read(self, texts: Iterable[bytes | str]) -> list[WorkerInfo]:
        """Return the announcements that this version can use, in the order of `texts`.
        A worker's is usable if at least one of its models can be read, a trainer's
        always."""
        listed = list(texts)
        before = self._parsed
        self._parsed = {
            text: before[text] if text in before else _parsed(text) for text in listed
        }
        workers = (self._parsed[text] for text in listed)
        return [worker for worker in workers if worker is not None]


def readable_workers(texts: Iterable[bytes | str]) -> list[WorkerInfo]:
    """Return the announcements that this version can use, as AnnouncementReader does,
    which also remembers them for the next call."""
    return AnnouncementReader().read(texts)


def _parsed(text: bytes | str) -> WorkerInfo | None:
    """Return an announcement, or None if this version cannot use it."""
    try:
        worker = WorkerInfo.model_validate_json(text)
    except ValidationError:  # written by a version with another format
        return None
    return worker if worker.models or worker.is_trainer else None
