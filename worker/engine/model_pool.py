"""The models in memory, their cards, and the `Engine` of model_core that draws from
each."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from model_core.card import Card
from model_core.codec.codec import NUMERICS
from model_core.compiled.ahead import is_scoring_kept
from model_core.errors import ModelError
from model_core.image_request import ImageRequest
from model_core.measures.picture_score import score_picture
from model_core.models import Model, directory_of
from model_core.models_directory import cards_in
from model_core.posterior.enumeration import EnumeratedRun, run_of
from model_core.posterior.exact import ExactRun
from model_core.posterior.islands import IslandsRun
from model_core.posterior.particles import Stages
from model_core.posterior.targets import Target
from model_core.sampling.engine import Engine
from model_core.sampling.stages import (
    compiled_loops,
    is_cold,
    numerics_of,
    scratch_bytes,
    slot_bytes,
)
from worker.contract.cards import ModelCard
from worker.contract.kinds.complete import PARTICLES
from worker.engine.announced import announced_card, card_facts
from worker.engine.cohort import Cohort
from worker.engine.refusals import log_refusal
from worker.engine.slot_plan import FEWEST_EACH, MIB, SlotPlan, most_slots, plan_for
from worker.orders.catalogue import kept_name
from worker.orders.completion import ParticleOrder

WARM_UP_ROWS = 2
"""Rows that a warm-up draws: enough to compile every kernel of a step, also those that
first run in the second row."""

MOST_LOADED = 64
"""Most models in memory, replaced weights included, unless PIXELRNN_LOADED_MODELS says
otherwise."""
MOST_REMEMBERED = 256
"""Most unloaded models whose plans are remembered."""
FURTHER_PART = 4
"""Models that are added while the worker runs may have one part in so many of the
memory for slots, in addition to it."""

FIELDS_PART = 4
"""Fields of one width may have one part in so many of a model's share, in addition to
its slots."""
MOST_FURTHER = 40
"""Number of added models for which memory is reserved."""


@dataclass
class LoadedModel:
    """A model in memory with its plan and card."""

    model: Model
    plan: SlotPlan
    """How many images it draws at once."""
    card: ModelCard
    """The model as the worker announces it."""
    stages: Stages = field(init=False)
    """The networks on which its particles are drawn."""

    def __post_init__(self) -> None:
        self.free_particles()

    def free_particles(self) -> None:
        """Free the stages on which particles are drawn; the next particles get new
        ones."""
        plan = self.plan
        self.stages = Stages(plan.particle_threads, plan.particle_sweeps)


class FullPoolError(ModelError):
    """As many models are in memory as are allowed: one has to be unloaded first."""


class ModelPool:
    """The models in memory, all on one device. The drawing thread and those that add
    models share the pool.

    Models have names of the engine process: the plain name for weights with which the
    worker started, and `kept_name` for others. An argument `called` is such a name,
    `own` is a plain one, and `identity` may also be the SHA-256 of the weights.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        plan: SlotPlan,
        names: Iterable[str] = (),
        most: int = MOST_LOADED,
    ) -> None:
        """models: loaded models by name.
        plan: for all models.
        names: models that have an equal share of the memory for slots, whether they are
            loaded or not; default: `models`.
        most: models that may be in memory, replaced weights included.

        Raises ModelError if one image of a model needs more than its share of the
        memory.
        """
        self.most = most
        self._adding = threading.Lock()
        self._plans: dict[str, SlotPlan] = {}
        """Plans of unloaded models, by `kept_name`: a model that is loaded again must
        offer what its card has announced."""
        self._begun_with = frozenset((*models, *names))
        self._plan = plan
        self._share = plan.share(max(1, len(self._begun_with)))
        self._loaded: dict[str, LoadedModel] = {}
        self._numerics: set[str] = set()
        self.refused: dict[str, str] = {}
        """Models that could not be loaded: name -> reason."""
        self.wanted: set[str] = set()
        """Models for which jobs wait: they are made ready before the others."""
        self.coming: tuple[str, ...] = ()
        """Engine's names of added models that are being examined."""
        self.expected: dict[str, Card] = {}
        """Cards of models that are going to be examined, by name."""
        self._lent: dict[str, int] = {}
        """Bytes for the slots of added models, by name."""
        for name, model in models.items():
            self.begin_with(name, model)

    @property
    def numerics(self) -> str:
        """The arithmetic that draws from the models with which the worker started."""
        return ", ".join(sorted(self._numerics))

    @property
    def plans(self) -> dict[str, SlotPlan]:
        """The plan of each model in memory, by name."""
        return {name: loaded.plan for name, loaded in list(self._loaded.items())}

    @property
    def cards(self) -> dict[str, ModelCard]:
        """What is announced of each model in memory, by name."""
        return {name: loaded.card for name, loaded in list(self._loaded.items())}

    @property
    def loaded(self) -> int:
        """Number of models in memory, replaced weights included."""
        return len(self._loaded)

    @property
    def is_full(self) -> bool:
        """True if a model has to be unloaded before another one is loaded."""
        return self.loaded >= self.most

    @property
    def is_full_for_good(self) -> bool:
        """True if shipped models, which are never unloaded, take all places."""
        names = {loaded.card.name for loaded in list(self._loaded.values())}
        return len(names & self._begun_with) >= self.most

    def begin_with(self, name: str, model: Model) -> None:
        """Add a model with which the worker starts, shipped or added earlier. Raises
        ModelError if one image needs more than the model's share of the memory."""
        if name not in self._begun_with:
            self._lent[name] = self._share_of_a_further(name)
        plan = plan_for(name, model, self._plan, self._lent.get(name, self._share))
        self._loaded[name] = LoadedModel(model, plan, announced_card(name, model, plan))
        self._numerics.add(numerics_of(model))

    def engine_name(self, name: str, identity: str) -> str | None:
        """Return the name of a model in this process, or None if it is not in memory."""
        for called, loaded in list(self._loaded.items()):
            if loaded.card.name == name and loaded.model.card.answers_to(identity):
                return called
        return None

    def prioritise(self, name: str, identity: str) -> bool:
        """Return True if a job can wait for this model because it will soon be ready,
        and make it ready before others. False for a model that is ready: `engine_name`
        finds that."""
        expected = self.expected.get(name)
        if expected is not None and expected.answers_to(identity):
            return True
        for called in (name, *self.coming):
            loaded = self._loaded.get(called)
            if loaded is None or loaded.card.name != name:
                continue
            if loaded.model.card.answers_to(identity):
                self.wanted.add(called)
                return True
        return False

    def has_known(self, name: str) -> bool:
        """Return True if a model of this name, with any weights, is or was in
        memory."""
        loaded = any(one.card.name == name for one in list(self._loaded.values()))
        return loaded or any(
            called.startswith(f"{name}@") for called in list(self._plans)
        )

    def was_unloaded(self, name: str, identity: str) -> bool:
        """Return True if this model was unloaded before, and so was examined before."""
        return f"{name}@{identity}" in self._plans

    def card_before_loading(self, card: Card) -> ModelCard:
        """Return what can be announced of a model before it is examined."""
        has_codec = not card.config.multi_scale and self.numerics in NUMERICS
        particles = 0 if card.config.multi_scale else PARTICLES
        return card_facts(card.name, card, has_codec, particles, is_cold=False)

    def is_new(self, card: ModelCard) -> bool:
        """Return True if no other weights of the model's name are in memory."""
        loaded = list(self._loaded.values())
        return all(
            one.card.name != card.name or one.card.identity == card.identity
            for one in loaded
        )

    def renew(self, called: str, card: Card) -> ModelCard | None:
        """Replace a model's card by one of the same identity. Return the announced
        card; None if the model is not in memory."""
        loaded = self._loaded.get(called)
        if loaded is None:
            return None
        loaded.model = replace(loaded.model, card=card)
        loaded.card = announced_card(card.name, loaded.model, loaded.plan)
        return loaded.card

    def add(self, model: Model) -> ModelCard:
        """Add a model, or new weights of one, under its `kept_name`. Return its card as
        ready.

        A model that was unloaded keeps its plan. An added model takes no memory from
        the others (`_share_of_a_further`). Raises ModelError if it does not fit or is
        drawn with other arithmetic than the others, and FullPoolError if there is no
        room.
        """
        own = model.card.name
        called = f"{own}@{model.card.identity}"
        if (plan := self._plans.get(called)) is not None:
            share = self._lent.get(own, self._share)
        else:
            is_further = own not in self._begun_with
            share = self._share_of_a_further(own) if is_further else self._share
            plan = plan_for(own, model, self._plan, share)
        numerics = numerics_of(model)
        if numerics not in self._numerics:
            raise ModelError(
                f"it is drawn with {numerics} arithmetic: expected {self.numerics}, "
                "like the other models of this worker"
            )
        # It is announced only after its loops have been compiled and loaded.
        card = announced_card(own, model, plan).model_copy(
            update={"compiling": False, "cold": False}
        )
        # The engine's thread and those that look for new models add models.
        with self._adding:
            if kept_name(card) not in self._loaded:
                self.expect_room()
            self._loaded[kept_name(card)] = LoadedModel(model, plan, card)
        if own not in self._begun_with:
            self._lent[own] = share
        return card

    def expect_room(self) -> None:
        """Raise FullPoolError if as many models are in memory as are allowed."""
        if self.is_full:
            raise FullPoolError(
                f"this worker holds {self.most} models (PIXELRNN_LOADED_MODELS)"
            )

    def remove(self, name: str) -> None:
        """Remove a model that will not be used any more."""
        self._loaded.pop(name, None)

    def unload(self, called: str) -> None:
        """Remove a model that may be loaded again, and remember its plan."""
        loaded = self._loaded.pop(called, None)
        if loaded is not None:
            self._plans[kept_name(loaded.card)] = loaded.plan
            while len(self._plans) > MOST_REMEMBERED:
                del self._plans[next(iter(self._plans))]

    def forget(self, own: str) -> None:
        """Forget a model that is no longer served, so that its memory for slots is
        free."""
        self._lent.pop(own, None)
        for called in list(self._plans):
            if called.startswith(f"{own}@"):
                del self._plans[called]

    def _share_of_a_further(self, own: str) -> int:
        """Return the bytes for the slots of an added model.

        A quarter of the memory is set aside for such models. Half of it is divided into
        MOST_FURTHER equal parts; of the other half, each has half of what the others
        left.
        """
        half = self._plan.share(FURTHER_PART) // 2
        least = half // MOST_FURTHER
        others = sum(share - least for name, share in self._lent.items() if name != own)
        return min(self._share, least + max(0, half - others) // 2)

    def names(self) -> list[str]:
        """Sorted names of the loaded models."""
        return sorted(self._loaded)

    def engine(self, name: str, threads: int | None = None) -> Engine:
        """Return a new engine for a model.

        threads: default: those of its plan.
        """
        loaded = self._loaded[name]
        plan = loaded.plan
        slots = plan.slots + plan.express
        return Engine(loaded.model, slots, plan.kept, threads or plan.threads)

    def field_cohort(self, name: str, width: int) -> Cohort:
        """Return a cohort with slots for fields of this width, at least one. Raises
        ModelError if one slot takes more than a shipped model's share of the memory."""
        loaded = self._loaded[name]
        model, _ = loaded.model.field(width, loaded.model.config.height)
        share = self._share // FIELDS_PART
        size = slot_bytes(model)
        if size > self._share:
            has = f"and the model has {self._share / MIB:.1f}"
            raise ModelError(f"a field {width} wide takes {size / MIB:.1f} MiB, {has}")
        scratch = scratch_bytes(model)
        threads = loaded.plan.threads
        room = most_slots(share, size, scratch, threads)
        while threads > 1 and room < FEWEST_EACH * threads:
            threads -= 1
            room = most_slots(share, size, scratch, threads)
        slots = min(loaded.plan.slots, room)
        return Cohort(lambda: Engine(model, slots, threads=threads))

    def islands(self, order: ParticleOrder) -> IslandsRun | EnumeratedRun | ExactRun:
        """Begin the images of a completion: by particles, by enumeration or by exact
        draws of a mixture. All runs of a model share their stages, so only one may be
        in a step."""
        hole = order.hole
        assert hole.given.values is not None
        assert hole.given.keep is not None
        loaded = self._loaded[order.model]
        model = loaded.model.given(hole.label)
        target = Target.of(model, hole.given.values, hole.given.keep, hole.temperature)
        drawn = hole.seed, order.particles, order.sweeps
        return run_of(target, *drawn, loaded.stages, order.most_scores)

    def free_particles(self, name: str) -> None:
        """Free the memory of a model's particles, if the model is in memory."""
        if name in self._loaded:
            self._loaded[name].free_particles()

    def passes(self, name: str) -> int:
        """Return how many pictures of a model may be scored at the same time."""
        loaded = self._loaded.get(name)
        return 1 if loaded is None else loaded.plan.passes

    def model(self, name: str) -> Model:
        """Return a loaded model. Raises KeyError if it is not loaded."""
        return self._loaded[name].model

    def loops(self, name: str) -> str | None:
        """Return the name of the loops (compiled drawing code) that the model needs
        before it first draws; None if it needs none."""
        return compiled_loops(self.model(name))

    def is_cold(self, name: str) -> bool:
        """Return True if code must be compiled before the model can draw."""
        return is_cold(self.model(name))

    def has_cold_scores(self, name: str) -> bool:
        """Return True if functions that every score of this kind of network calls must
        be compiled first."""
        loops = self.loops(name)
        return loops is not None and not is_scoring_kept(loops)

    def values_of(self, name: str) -> int:
        """Return the number of variables of an image."""
        return self.model(name).config.dimensions

    def warm_up(self, name: str) -> None:
        """Draw a few rows in every way and score an image, so that no client waits for
        what is done only once."""
        self.warm_up_drawing(name)
        self.score_blank(name)

    def warm_up_drawing(self, name: str) -> None:
        """Draw a few rows in every way: freely, with given rows, and by particles if
        the model is not Multi-Scale."""
        self.draw_rows(name)
        self.take_given_rows(name)
        if not self.model(name).config.multi_scale:
            self._begin_island(name)

    def draw_rows(self, name: str) -> None:
        """Draw a few rows of an image without given pixels, to warm up."""
        self._draw_rows(name, ImageRequest(seed=0, sample=0))
        config = self.model(name).config
        if config.multi_scale:
            small = self._blank(name)[:, :: config.factor, :: config.factor]
            self._draw_rows(name, ImageRequest(seed=0, sample=0, small=small))

    def take_given_rows(self, name: str) -> None:
        """Draw a few rows that are given, to warm up."""
        blank = self._blank(name)
        given = np.zeros(blank.shape[1:], np.bool_)
        given[:WARM_UP_ROWS] = True
        self._draw_rows(name, ImageRequest(seed=0, sample=0, known=blank, keep=given))

    def score_blank(self, name: str) -> None:
        """Score a black image, to warm up."""
        score_picture(self.model(name), self._blank(name))

    def _blank(self, name: str) -> NDArray[np.uint8]:
        config = self.model(name).config
        return np.zeros((config.channels, config.height, config.width), np.uint8)

    def _begin_island(self, name: str) -> None:
        blank = self._blank(name)
        keep = np.ones(blank.shape[1:], np.bool_)
        keep[0, 0] = False
        run = IslandsRun(
            Target.of(self.model(name), blank, keep, 1.0), 0, particles=4, sweeps=0
        )
        for _ in islice(run.steps(0), WARM_UP_ROWS):
            pass

    def _draw_rows(self, name: str, request: ImageRequest) -> None:
        # One thread, because the engine draws meanwhile and needs the others.
        engine = self.engine(name, threads=1)
        rows = 0
        engine.admit(request)
        while engine.busy and rows < WARM_UP_ROWS:
            rows += len(engine.step())


def load_pool(
    places: Mapping[str, Path],
    device: str,
    plan: SlotPlan,
    load: Callable[[str, Path, str], Model],
    begin: Callable[[], None] = lambda: None,
    further: Collection[str] = (),
    most: int = MOST_LOADED,
    later: Callable[[str], None] | None = None,
) -> ModelPool:
    """Load the models of these directories. A model that cannot be loaded is in
    `refused` of the pool; ModelError is raised if none can.

    load(name, directory, device): returns the examined model.
    begin: called before each model.
    further: models that take no memory from the others, because they were added.
    most: models that may be in memory.
    later: called with each added model for which there is no room yet; None refuses
        these.
    """
    log = structlog.get_logger("models")
    pool = ModelPool({}, plan, set(places).difference(further), most)
    for name, place in places.items():
        begin()
        if pool.is_full and later is not None and name in further:
            later(name)
            continue
        try:
            if pool.is_full:
                raise ModelError(
                    f"this worker holds {most} models: "
                    "serve fewer, or start other workers for more"
                )
            pool.begin_with(name, load(name, place, device))
        except Exception as error:  # any user may have put the files there
            pool.refused[name] = log_refusal(name, error, place)
    if not pool.loaded:
        reasons = [f"{name}: {reason}" for name, reason in pool.refused.items()]
        raise ModelError("; ".join(reasons))
    slots = {name: plan.slots + plan.express for name, plan in pool.plans.items()}
    log.info("models_loaded", models=pool.names(), device=device, slots=slots)
    return pool


def models_at(directory: Path, names: Collection[str] = ()) -> dict[str, Path]:
    """Return the directories of the named models, default all, by name. Raises
    ModelError for a name without a model, and if there is no model at all."""
    if names:
        return {name: directory_of(name, directory) for name in names}
    if found := {card.parent.name: card.parent for card in cards_in(directory)}:
        return found
    raise ModelError(f"no model to serve in {directory}: train one or copy one there")
