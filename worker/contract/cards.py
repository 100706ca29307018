"""The card of a model, as workers announce it and the API shows it."""

from collections.abc import Iterable
from typing import Annotated, Any

from pydantic import BeforeValidator, ConfigDict, Field, ValidationError

from worker.contract import keys
from worker.contract.colours import levels
from worker.contract.jobs import JobSpec
from worker.contract.kind import Label, Method
from worker.contract.kinds import KINDS
from worker.contract.kinds.add import KIND as ADD
from worker.contract.record import Int64, Record

FIRST = "mnist-diagonal-bilstm"
"""The model of the README's first call and of the page's first view. It is made ready
before the others, and prepared for browsers before them."""


def _only(known: Iterable[str]) -> BeforeValidator:
    """Leaves out the words that this version does not know."""
    return BeforeValidator(
        lambda words: (
            [word for word in words if word in tuple(known)]
            if isinstance(words, list | tuple)
            else words
        )
    )


class ModelFacts(Record):
    """A model, as workers announce it and the API shows it."""

    model_config = ConfigDict(use_attribute_docstrings=True)
    name: str
    """Name that requests call it by."""
    network: str
    """`pixel-cnn`, `row-lstm`, `diagonal-bilstm`."""
    height: int = Field(ge=1)
    """Height of the images that it draws."""
    width: int = Field(ge=1)
    """Width of the images that it draws."""
    channels: int = Field(ge=1)
    """1 = grey, 3 = red, green and blue."""
    small_height: int = Field(default=0, ge=0)
    """Height of the image that a Multi-Scale model draws first and upsampling takes; 0 for others."""
    small_width: int = Field(default=0, ge=0)
    """Width of the image that a Multi-Scale model draws first and upsampling takes; 0 for others."""
    values: int = Field(ge=2)
    """How many values a colour takes: 256, or 2 for binary images."""
    parameters: Int64
    """How many numbers were learnt."""
    data: str
    """The data it was trained on."""
    test_nats: float | None = None
    """Negative log-likelihood of a test image, natural logarithm: less is better."""
    test_bits_per_dim: float | None = None
    """The same in bits for each colour of each pixel."""
    digest: str
    """sha256 of the weights; for a model with members, of the list of their orientations and digests."""
    title: str = ""
    """The network's name in the paper."""
    members: tuple[str, ...] = ("none",)
    """The orientations of its networks, `none` being that of the image: a mixture has several, and draws each image
    with one of them."""
    methods: Annotated[tuple[Method, ...], _only(Method)] = (Method.CLAMP,)
    """How it completes, the usual way first."""
    max_particles: int = Field(default=0, ge=0)
    """How many particles an image of a completion by `posterior` may have; 0 where there is no such method."""
    labels: tuple[Label, ...] = ()
    """The labels of its images, which requests can ask for, in their order; none of most models."""
    field: bool = False
    """Its fields, pictures larger than its own (`size` of `POST /sample`), were looked at and are good."""
    field_step: int = Field(default=0, ge=0)
    """How many rows lower each window of a field begins than the one before; 0: it has no fields."""
    palette: tuple[str, ...] = ()
    """The colour of each value, `#rrggbb` or `#rrggbbaa`, of a model whose values are categories: bytes of its rows are
    values then, and its pictures have this palette. Empty for others."""
    names: tuple[str, ...] = ()
    """Names of these values; none of most models."""


class ModelCard(ModelFacts):
    """One model that a worker has loaded."""

    identity: str = ""
    """SHA-256 of all that gives the model its meaning (model_core.card); empty if an earlier version announces it."""
    can: Annotated[tuple[str, ...], _only(KINDS)] = ("sample", "complete")
    """Kinds of jobs that it takes: upsampling needs a Multi-Scale model. Kinds that the reader does not know are left
    out."""
    compiling: bool = False
    """The worker is still compiling its drawing loops, or reading them from disk: its jobs are accepted, and wait."""
    owner: str = ""
    """The key that added it and alone sees it; empty for one that everybody sees."""
    job: str = ""
    """The job that added it, if one did."""
    cold: bool = False
    """Its loops are not on disk, so that they are compiled first, which takes a processor half a minute."""
    on_processors: str = ""
    """Why the processors draw from it in place of the worker's GPU; empty if they do not."""
    unloaded: bool = False
    """It is not in memory at the moment: a job for it is accepted, and waits until it is loaded again."""

    @property
    def draws(self) -> bool:
        """True if the worker can draw from it now."""
        return not self.compiling and not self.unloaded

    @property
    def levels(self) -> int:
        """Numbers that a byte of its rows and pictures tells apart."""
        return levels(self.values, self.palette)

    @property
    def identity_or_digest(self) -> str:
        """The model by its identity, or where that is not said by its weights."""
        return self.identity or self.digest

    def is_of(self, spec: JobSpec) -> bool:
        """Was the job accepted for this model?"""
        return self.name == spec.model and self.answers_to(spec.digest, spec.identity)

    def answers_to(self, digest: str, identity: str) -> bool:
        """Is it meant by both? The weights decide where an earlier version has left out the identity."""
        return self.digest == digest and (
            "" in (self.identity, identity) or self.identity == identity
        )

    def does(self, spec: JobSpec) -> bool:
        """Is it the job's model, and does it do such work?"""
        return self.is_of(spec) and spec.kind in self.can and spec.options.fits(self)


def _readable_cards(cards: Any) -> Any:
    """The cards that this version can read; others are left out."""
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
    """A model in the models directory that a worker does not serve."""

    name: str
    reason: str
    owner: str = ""
    """Key that added it and alone hears of it; empty where everybody does."""
    job: str = ""
    """The job that added it, if one did."""
    identity: str = ""
    """Its identity; empty if the card cannot be read, or if the model is going to be examined again."""


class ExaminedDraft(Record):
    """The result of examining a draft: the new version of an added model, which is not
    served before an API gives it the model's name (worker/contract/added.py)."""

    job: str
    """The job that exchanges the model."""
    name: str
    reason: str = ""
    """Why the draft is not to be served; empty if it may be."""
    owner: str = ""
    """The key that alone sees it; empty for one that everybody sees."""

    def refusal(self) -> RefusedModel:
        """Return the reason as that of a model that is not served."""
        return RefusedModel(
            name=self.name, reason=self.reason, owner=self.owner, job=self.job
        )


class WorkerInfo(Record):
    """A live worker: written only after its models are loaded."""

    name: str
    device: str
    slots: int
    """How many images it draws at once, per model."""
    threads: int = 1
    """In how many threads it draws them."""
    models: Annotated[tuple[ModelCard, ...], BeforeValidator(_readable_cards)]
    """The models whose cards the reader can read."""
    started_at: float
    queue: str = keys.QUEUE
    """The one it takes jobs from."""
    version: int = 1
    """The highest `JobSpec.version` that it can do."""
    kept: Annotated[tuple[ModelCard, ...], BeforeValidator(_readable_cards)] = ()
    """Weights that were exchanged, of jobs that had been accepted for them; no new ones are."""

    refused: tuple[RefusedModel, ...] = ()
    """Models that it was given and does not serve."""
    drafts: tuple[ExaminedDraft, ...] = ()
    """Drafts of exchanges that it has examined."""

    @property
    def is_trainer(self) -> bool:
        """It makes models, and draws from none."""
        return self.queue == keys.TRAIN_QUEUE

    def takes(self, spec: JobSpec) -> bool:
        """Can it do this job: its version, these weights, this kind of work? A trainer takes whatever its queue has."""
        if spec.kind == ADD.word:
            return self.examined(spec) is not None
        cards = (*self.models, *self.kept)
        return self.version >= spec.version and (
            self.is_trainer or any(card.does(spec) for card in cards)
        )

    def examined(self, spec: JobSpec) -> ModelCard | RefusedModel | None:
        """Return what became of the model that this job adds: its card if it is served,
        or why it is not; None while neither is known."""
        served = (card for card in self.models if not card.compiling)
        bad_drafts = (draft.refusal() for draft in self.drafts if draft.reason)
        found = (*served, *self.refused, *bad_drafts)
        return next((one for one in found if one.job == spec.id), None)

    def refusal_of(self, spec: JobSpec) -> RefusedModel | None:
        """Return why the model that this job was accepted for is not served, if it was refused for good."""
        named = (one for one in self.refused if one.name == spec.model)
        return next(
            (one for one in named if one.identity and one.identity == spec.identity),
            None,
        )

    def knows_job(self, job_id: str) -> bool:
        """Return True if the model of this job is announced, ready or not, or refused."""
        return any(one.job == job_id for one in (*self.models, *self.refused))

    def holds(self, spec: JobSpec) -> bool:
        """Does it hold the weights that the job was accepted for?"""
        return self.card_of(spec) is not None

    def card_of(self, spec: JobSpec) -> ModelCard | None:
        """The model that the job was accepted for."""
        cards = (*self.models, *self.kept)
        return next((card for card in cards if card.is_of(spec)), None)

    def is_ready(self, spec: JobSpec) -> bool:
        """Can it draw from the weights of a job that it takes now?"""
        if self.is_trainer or self.examined(spec):
            return True
        card, second = self.card_of(spec), self.second_card_of(spec)
        return card is not None and card.draws and (second is None or second.draws)

    def second_card_of(self, spec: JobSpec) -> ModelCard | None:
        """The further model that the job asks, as it is served now; None where it asks none, or there is none."""
        return next(
            (card for card in self.models if card.name == spec.options.second_model),
            None,
        )

    def with_kept(self, card: ModelCard) -> "WorkerInfo":
        """The same worker, which holds these weights too, or again if it serves them."""
        if any(_is_same(one, card) for one in self.models):
            return self._with_unloaded(card, unloaded=False)
        kept = (one for one in self.kept if not _is_same(one, card))
        return self.model_copy(update={"kept": (*kept, card)})

    def without_weights(self, card: ModelCard) -> "WorkerInfo":
        """Return the same worker, which does not have these weights in memory: those of
        a model that it serves are loaded again by the next job, others are forgotten."""
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
        """The same worker, which serves this model from now on; weights of the same name that it replaces are kept."""
        before = self.without_model(card.name)
        models = sorted((*before.models, card), key=lambda model: model.name)
        kept = (old for old in before.kept if not _is_same(old, card))
        return before.model_copy(update={"models": tuple(models), "kept": tuple(kept)})

    def without_model(self, name: str) -> "WorkerInfo":
        """The same worker, which takes no new jobs for this model; the ones that were accepted for its weights end, if
        it has been ready."""
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
        """The same worker, which says why it does not serve what it was given under this name."""
        others = tuple(one for one in self.refused if one.name != refused.name)
        # Not served is also one that was announced while it was being examined.
        models = tuple(
            card
            for card in self.models
            if card.name != refused.name or not card.compiling
        )
        return self.model_copy(update={"models": models, "refused": (*others, refused)})

    def with_draft(self, draft: ExaminedDraft) -> "WorkerInfo":
        """Return the same worker, which has examined this draft."""
        others = self.without_draft(draft.job).drafts
        return self.model_copy(update={"drafts": (*others, draft)})

    def without_draft(self, job: str) -> "WorkerInfo":
        """Return the same worker, for which this job has no draft any more."""
        others = tuple(draft for draft in self.drafts if draft.job != job)
        return self.model_copy(update={"drafts": others})

    @property
    def ready(self) -> tuple[str, ...]:
        """The models that it can draw from now."""
        return tuple(card.name for card in self.models if not card.compiling)

    def with_compiled(self, model: str) -> "WorkerInfo":
        """The same worker, with one more model that is ready."""
        ready = {"compiling": False, "cold": False}
        models = (
            card.model_copy(update=ready) if card.name == model else card
            for card in self.models
        )
        return self.model_copy(update={"models": tuple(models)})

    def entry(self) -> str:
        """The announcement, without what is as usual, so that an API of an earlier version can read it."""
        return self.model_dump_json(exclude_defaults=True)


def _is_same(one: ModelCard, other: ModelCard) -> bool:
    """Return True if both are of one name and one identity."""
    return (one.name, one.identity_or_digest) == (other.name, other.identity_or_digest)


class AnnouncementReader:
    """Reads the announcements of workers, and parses a text only when it is a new one.

    An API looks at all workers twice a second. With a hundred of them it spent a tenth
    of a processor on parsing what had not changed.
    """

    def __init__(self) -> None:
        self._parsed: dict[bytes | str, WorkerInfo | None] = {}
        """The texts of the last look, with what they say."""

    def read(self, texts: Iterable[bytes | str]) -> list[WorkerInfo]:
        """Return the announcements that this version can read, in their order: those of
        trainers, and those of workers of which it can read at least one model."""
        listed = list(texts)
        before = self._parsed
        self._parsed = {
            text: before[text] if text in before else _parsed(text) for text in listed
        }
        workers = (self._parsed[text] for text in listed)
        return [worker for worker in workers if worker is not None]


def readable_workers(texts: Iterable[bytes | str]) -> list[WorkerInfo]:
    """Return what a new AnnouncementReader reads in these texts."""
    return AnnouncementReader().read(texts)


def _parsed(text: bytes | str) -> WorkerInfo | None:
    """Return an announcement, or None if this version cannot make use of it."""
    try:
        worker = WorkerInfo.model_validate_json(text)
    except ValidationError:  # a version that writes announcements in another way
        return None
    return worker if worker.models or worker.is_trainer else None
