"""The models in memory, their cards, and the engines that draw from them."""

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import numpy as np
import structlog
from numpy.typing import NDArray

from model_core.card import Card
from model_core.codec.codec import NUMERICS, has_codec
from model_core.compiled.ahead import is_scoring_kept
from model_core.errors import ModelError
from model_core.image_request import ImageRequest
from model_core.kinds import KINDS as NETWORKS
from model_core.measures.picture_score import pass_bytes, score_picture
from model_core.models import Model, directory_of
from model_core.models_directory import cards_in
from model_core.posterior.chain import sizes_of
from model_core.posterior.enumeration import EnumeratedRun, run_of
from model_core.posterior.exact import ExactRun
from model_core.posterior.islands import CHAINS, IslandsRun
from model_core.posterior.particles import SWEEPS_AT_ONCE, Stages
from model_core.posterior.targets import Target
from model_core.sampling.model_engine import Engine
from model_core.sampling.stages import (
    compiled_loops,
    draws_in_threads,
    guide_bytes,
    guide_scratch_bytes,
    is_cold,
    numerics_of,
    reason_for_processors,
    scratch_bytes,
    seats,
    slot_bytes,
)
from worker.contract.cards import ModelCard
from worker.contract.kind import Kind, Label, Method
from worker.contract.kinds import KINDS
from worker.contract.kinds.complete import MAX_PARTICLES, PARTICLES
from worker.engine.cohort import Cohort
from worker.engine.refusals import LONGEST, log_refusal
from worker.orders.catalogue import kept_name
from worker.orders.kinds.complete import ParticleOrder

WARM_UP_ROWS = 2
"""Rows that a warm-up draws: enough to compile every kernel of a step, also those that
first run in the second row."""

MIB = 2**20
MOST_LOADED = 64
"""Most models in memory, replaced weights included, unless PIXELRNN_LOADED_MODELS says
otherwise."""
MOST_REMEMBERED = 256
"""Most unloaded models whose plans are remembered."""
KEPT_STATES = 4
"""States that are kept after the given rows of completed pictures: more completions of
the same picture begin after them."""

FURTHER_PART = 4
"""Models that are added while the worker runs may have one part in so many of the
memory for slots, in addition to it."""

FEWEST_EACH = 4
"""A model uses fewer threads rather than fewer slots than this in each, because four
pixels are computed as fast as one."""

FIELDS_PART = 4
"""Fields of one width may have one part in so many of a model's share, in addition to
its slots."""
MOST_FURTHER = 40
"""Number of added models for which memory is reserved."""

LEAST_OF_PARTICLES = 3 / 4
"""Several threads must leave this part of the particles that one thread allows;
otherwise fewer threads are used."""
PART_FOR_PARTICLES = 4
"""Particles may have one in so many bytes of a model's share; slots have the rest."""
PART_FOR_PASSES = 8
"""Pictures that further threads score may have one in so many bytes, or what slots and
particles leave."""
PART_FOR_SWEEPS = 2
"""The same of particles of which two sweeps are drawn at the same time."""


@dataclass(frozen=True)
class SlotPlan:
    """How many images of one model are drawn at once, and in how many threads.

    The worker's settings make a plan for all models; `fitted` adapts it to one model.
    """

    slots: int
    """Slots for images of any job; in a plan for all models, 0 stands for as many as
    each model draws fastest."""
    express: int
    """Further slots for the first images of jobs (Settings.express_slots)."""
    slot_memory_mib: int
    """MiB of memory for the slots of all models together."""
    particles: int = 0
    """Most particles of one image, in addition to the slots; 0 for a model without
    `posterior`."""
    kept: int = 0
    """States after given rows that fit into the remaining memory."""
    threads: int = 1
    """Most threads in which one model is drawn."""
    particle_threads: int = 1
    """Threads in which its particles are."""
    particle_sweeps: int = 1
    """Sweeps of particles that are drawn at the same time."""
    passes: int = 1
    """Pictures that are scored at the same time."""

    def share(self, models: int) -> int:
        """Return the bytes for each of so many models."""
        return self.slot_memory_mib * MIB // models

    def fitted(
        self,
        slot_bytes: int,
        share: int,
        particle_bytes: int = 0,
        begun_again: int = 0,
        scratch_bytes: int = 0,
        particle_scratch: int = 0,
        pass_bytes: int = 0,
    ) -> "SlotPlan":
        """Return the plan for a model: as many particles as a quarter of its share
        holds, and as many slots as the rest does.

        scratch_bytes: of the arrays that each thread has beside those of its slots.
        particle_scratch: the same of the networks that draw particles. That of their
        first thread is left to the memory that a worker has beside its slots, and so are
        the pass_bytes of the first of several pictures that are scored at the same time.
        """
        planned = _Particles()
        if particle_bytes:
            planned = _planned_particles(
                share, particle_bytes, begun_again, particle_scratch, self.threads
            )
        particles, threads = planned.most, planned.threads
        rest = share
        if particles:
            its_bytes = particle_bytes * planned.sweeps
            rest -= max(particles, begun_again) * its_bytes + planned.beside
        passes, of_passes = 1, 0
        if pass_bytes and self.threads > 1:
            room = max(share // PART_FOR_PASSES, rest - share // 2)
            passes = min(self.threads, 1 + room // pass_bytes)
            of_passes = (passes - 1) * pass_bytes
        memory = max(slot_bytes, max(share // 2, rest) - of_passes)
        room = most_slots(memory, slot_bytes, scratch_bytes, self.threads)
        fit = min(self.slots + self.express, room)
        express = min(self.express, fit - 1)
        return replace(
            self,
            slots=fit - express,
            express=express,
            particles=particles,
            kept=min(KEPT_STATES, room - fit),
            particle_threads=threads,
            particle_sweeps=planned.sweeps,
            passes=passes,
        )


def most_slots(
    memory: int, slot_bytes: int, scratch_bytes: int, threads: int = 1
) -> int:
    """Return how many slots fit into `memory` bytes, at least one.

    Each thread has scratch arrays that do not grow with its slots, and each of several
    threads has one slot more than its share (threaded.SPARE).
    """
    slots = (memory - threads * scratch_bytes) // slot_bytes
    if threads > 1:
        slots -= threads
    return max(1, slots)


class _Particles(NamedTuple):
    """How a model's particles are drawn."""

    most: int = 0
    """Particles of an image."""
    threads: int = 1
    sweeps: int = 1
    """Sweeps that are drawn at the same time, each by half of the particles: as many times
    the memory."""
    beside: int = 0
    """Bytes beside those of the particles, in threads other than the first."""


def _planned_particles(
    share: int, particle_bytes: int, begun_again: int, scratch: int, threads: int
) -> _Particles:
    """Return how particles are drawn in at most so many threads. See SlotPlan.fitted.

    One thread has a quarter of the share, which also counts how many there are. Two
    sweeps at the same time take the memory twice: they may have half of the share,
    which is left by the slots. Whatever is not enough for three quarters of the particles
    of one thread is drawn in fewer threads.
    """
    most = _most_particles(share // PART_FOR_PARTICLES, particle_bytes)
    least = most * LEAST_OF_PARTICLES
    of_both = particle_bytes * SWEEPS_AT_ONCE
    for several in range(threads - threads % SWEEPS_AT_ONCE, 1, -SWEEPS_AT_ONCE):
        # Each thread may have a slot more than its share (particles.slots_of_sweeps).
        beside = (several - 1) * scratch
        beside += (several - SWEEPS_AT_ONCE) * particle_bytes * CHAINS
        part = share // PART_FOR_SWEEPS - beside
        particles = min(most, _most_particles(part, of_both))
        if particles >= least and begun_again * of_both <= part:
            return _Particles(particles, several, SWEEPS_AT_ONCE, beside)
    for several in range(threads, 1, -1):
        beside = (several - 1) * scratch
        part = share // PART_FOR_PARTICLES - beside
        particles = _most_particles(part, particle_bytes)
        if particles >= least:
            return _Particles(particles, several, 1, beside)
    return _Particles(most)


def _most_particles(memory: int, particle_bytes: int) -> int:
    """Return how many particles fit into so many bytes."""
    return min(MAX_PARTICLES, max(0, memory // particle_bytes))


@dataclass
class LoadedModel:
    """A model in memory with its plan and card."""

    model: Model
    """The model."""
    plan: SlotPlan
    """How many images it draws at once."""
    card: ModelCard
    """Its card as the worker announces it."""
    stages: Stages = field(init=False)
    """The networks on which its particles are drawn."""

    def __post_init__(self) -> None:
        self.free_particles()

    def free_particles(self) -> None:
        """Give up the stages on which particles are drawn; others are made when some
        are drawn again."""
        plan = self.plan
        self.stages = Stages(plan.particle_threads, plan.particle_sweeps)


class FullPoolError(ModelError):
    """As many models are in memory as are allowed: one has to be unloaded first."""


class ModelPool:
    """The models in memory, by the engine's names, all on one device.

    The engine's name of a model is its plain name for weights with which the worker
    started, and `kept_name` for others. The thread that draws and those that add models
    share the pool.
    """

    def __init__(
        self,
        models: Mapping[str, Model],
        plan: SlotPlan,
        names: Iterable[str] = (),
        most: int = MOST_LOADED,
    ) -> None:
        """models: loaded models by name. plan: for all models. names: models that have
        an equal share of the memory for slots, whether they are loaded or not; `models`
        by default. most: models that may be in memory, replaced weights included.

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
        """Plans of the models in memory, by the engine's names."""
        return {name: loaded.plan for name, loaded in list(self._loaded.items())}

    @property
    def cards(self) -> dict[str, ModelCard]:
        """Cards of the models in memory, by the engine's names."""
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
        """True if shipped models alone, which are never unloaded, take all places."""
        names = {loaded.card.name for loaded in list(self._loaded.values())}
        return len(names & self._begun_with) >= self.most

    def begin_with(self, name: str, model: Model) -> None:
        """Add a model with which the worker starts: one that has an equal share, or one
        that was added earlier.

        Raises ModelError if one image needs more than the model's share of the memory.
        """
        if name not in self._begun_with:
            self._lent[name] = self._share_of_a_further(name)
        plan = _fitted(name, model, self._plan, self._lent.get(name, self._share))
        self._loaded[name] = LoadedModel(model, plan, _card(name, model, plan))
        self._numerics.add(numerics_of(model))

    def engine_name(self, name: str, identity: str) -> str | None:
        """Return the engine's name of a model, or None if it is not in memory.
        identity: the model's, or the SHA-256 of its weights."""
        for called, loaded in list(self._loaded.items()):
            if loaded.card.name == name and loaded.model.card.answers_to(identity):
                return called
        return None

    def prioritise(self, name: str, identity: str) -> bool:
        """Return True if this model will soon be ready, so that a job can wait for it.

        It is True for a model in `expected`, for one in `coming` that is loaded by now,
        and for one that the worker started with. The latter two are made ready before
        others. It is False for a model that was loaded later and is ready:
        `engine_name` finds that. identity: the model's, or the SHA-256 of its weights.
        """
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
        """Return True if a model of this name is in memory, or was unloaded."""
        loaded = any(one.card.name == name for one in list(self._loaded.values()))
        return loaded or any(
            called.startswith(f"{name}@") for called in list(self._plans)
        )

    def was_unloaded(self, name: str, identity: str) -> bool:
        """Return True if this model was unloaded at some time, even if it is in memory
        again: then it was examined before."""
        return f"{name}@{identity}" in self._plans

    def card_before_loading(self, card: Card) -> ModelCard:
        """Return what can be announced about a model by its card alone, before it is
        examined."""
        has_codec = not card.config.multi_scale and self.numerics in NUMERICS
        particles = 0 if card.config.multi_scale else PARTICLES
        return _card_facts(card.name, card, has_codec, particles, is_cold=False)

    def is_new(self, card: ModelCard) -> bool:
        """Return True if no other weights of the model's name are in memory."""
        loaded = list(self._loaded.values())
        return all(
            one.card.name != card.name or one.card.identity == card.identity
            for one in loaded
        )

    def renew(self, called: str, card: Card) -> ModelCard | None:
        """Replace the card of a model in memory by one of the same identity, and return
        the announced card; None if the model is not in memory."""
        loaded = self._loaded.get(called)
        if loaded is None:
            return None
        loaded.model = replace(loaded.model, card=card)
        loaded.card = _card(card.name, loaded.model, loaded.plan)
        return loaded.card

    def add(self, model: Model) -> ModelCard:
        """Add a model, or new weights of one, under its `kept_name`. Return its card as
        ready.

        A model that was unloaded keeps its plan. Otherwise a shipped model has its equal
        share of the memory for slots. An added model, also one with new weights, takes
        nothing from the others: a quarter of the memory is set aside for such models.
        Half of it is divided into MOST_FURTHER fixed parts; of the other half, each has
        half of what the other added models have left. Raises ModelError if it does not fit, or is drawn
        with other arithmetic than the others, and FullPoolError if there is no room.
        """
        own = model.card.name
        called = f"{own}@{model.card.identity}"
        if (plan := self._plans.get(called)) is not None:
            share = self._lent.get(own, self._share)
        else:
            is_further = own not in self._begun_with
            share = self._share_of_a_further(own) if is_further else self._share
            plan = _fitted(own, model, self._plan, share)
        numerics = numerics_of(model)
        if numerics not in self._numerics:
            raise ModelError(
                f"it is drawn with {numerics} arithmetic: expected {self.numerics}, "
                "like the other models of this worker"
            )
        # It is announced only after its loops have been compiled and loaded.
        card = _card(own, model, plan).model_copy(
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
        """Raise FullPoolError if there is no room for one more model."""
        if self.is_full:
            raise FullPoolError(
                f"this worker holds {self.most} models (PIXELRNN_LOADED_MODELS)"
            )

    def remove(self, name: str) -> None:
        """Remove a model that will not be used any more; do nothing if it is not in
        memory."""
        self._loaded.pop(name, None)

    def unload(self, called: str) -> None:
        """Remove a model that may be loaded again, and remember its plan; do nothing if
        it is not in memory."""
        loaded = self._loaded.pop(called, None)
        if loaded is not None:
            self._plans[kept_name(loaded.card)] = loaded.plan
            while len(self._plans) > MOST_REMEMBERED:
                del self._plans[next(iter(self._plans))]

    def forget(self, own: str) -> None:
        """Forget a model that is no longer served: its memory for slots is free for the
        next one. `own` is its plain name."""
        self._lent.pop(own, None)
        for called in list(self._plans):
            if called.startswith(f"{own}@"):
                del self._plans[called]

    def _share_of_a_further(self, own: str) -> int:
        """Return the bytes for the slots of an added model."""
        half = self._plan.share(FURTHER_PART) // 2
        least = half // MOST_FURTHER
        others = sum(share - least for name, share in self._lent.items() if name != own)
        return min(self._share, least + max(0, half - others) // 2)

    def names(self) -> list[str]:
        """Return the engine's names of the models in memory, sorted."""
        return sorted(self._loaded)

    def engine(self, name: str, threads: int | None = None) -> Engine:
        """Return a new engine on the model's network. threads: those of the plan by
        default."""
        loaded = self._loaded[name]
        plan = loaded.plan
        slots = plan.slots + plan.express
        return Engine(loaded.model, slots, plan.kept, threads or plan.threads)

    def field_cohort(self, name: str, width: int) -> Cohort:
        """Return a cohort with slots for fields of this width.

        The slots take 1/FIELDS_PART of a shipped model's share of memory (also for an
        added model), but there is always one. Raises ModelError if one slot takes more
        than that whole share.
        """
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
        """Begin the images of a completion by particles, by enumeration or by exact
        draws of a mixture, and return the run.

        All runs of a model share one stage, so only one may be in the midst of an
        image.
        """
        hole = order.hole
        assert hole.given.values is not None
        assert hole.given.keep is not None
        loaded = self._loaded[order.model]
        model = loaded.model.given(hole.label)
        target = Target.of(model, hole.given.values, hole.given.keep, hole.temperature)
        drawn = order.seed, order.particles, order.sweeps
        return run_of(target, *drawn, loaded.stages, enumerates=order.enumerates)

    def free_particles(self, name: str) -> None:
        """Free the memory in which a model's particles are drawn, until some are drawn
        again."""
        if name in self._loaded:
            self._loaded[name].free_particles()

    def passes(self, name: str) -> int:
        """Return how many pictures of a model may be scored at the same time."""
        loaded = self._loaded.get(name)
        return 1 if loaded is None else loaded.plan.passes

    def model(self, name: str) -> Model:
        """Return the model of this engine's name. Raises KeyError if it is not in
        memory."""
        return self._loaded[name].model

    def loops(self, name: str) -> str | None:
        """Return the name of the loops that are compiled before the model first draws,
        or None if it needs none."""
        return compiled_loops(self.model(name))

    def is_cold(self, name: str) -> bool:
        """Return True if something has to be compiled for this model."""
        return is_cold(self.model(name))

    def has_cold_scores(self, name: str) -> bool:
        """Return True if functions that every score by the model's kind of network calls
        have to be compiled first."""
        loops = self.loops(name)
        return loops is not None and not is_scoring_kept(loops)

    def values_of(self, name: str) -> int:
        """Return the number of values in one of the model's images."""
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
        """Draw a few rows of an image; for a Multi-Scale model, of both images."""
        self._draw_rows(name, ImageRequest(seed=0, sample=0))
        config = self.model(name).config
        if config.multi_scale:
            small = self._blank(name)[:, :: config.factor, :: config.factor]
            self._draw_rows(name, ImageRequest(seed=0, sample=0, small=small))

    def take_given_rows(self, name: str) -> None:
        """Pass over a few given rows."""
        blank = self._blank(name)
        given = np.zeros(blank.shape[1:], np.bool_)
        given[:WARM_UP_ROWS] = True
        self._draw_rows(name, ImageRequest(seed=0, sample=0, known=blank, keep=given))

    def score_blank(self, name: str) -> None:
        """Score a black picture."""
        score_picture(self.model(name), self._blank(name))

    def _blank(self, name: str) -> NDArray[np.uint8]:
        config = self.model(name).config
        return np.zeros((config.channels, config.height, config.width), np.uint8)

    def _begin_island(self, name: str) -> None:
        """Draw the first rows of an image by particles, with only its first pixel
        missing."""
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
    """Load the models of these directories, and return the pool. A model that cannot be
    loaded is in its `refused`.

    load(name, directory, device): returns the examined model. begin: called before each
    model. further: models that take no memory from the others, because they were added.
    most: models that may be in memory. later: called with each added model for which
    there is no room yet; None refuses these. Raises ModelError if no model can be
    loaded.
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
    """Return the directories of the named models, or of all models in a directory, by
    name. Raises ModelError for a name without a model, and if there is no model at all.
    """
    if names:
        return {name: directory_of(name, directory) for name in names}
    if found := {card.parent.name: card.parent for card in cards_in(directory)}:
        return found
    raise ModelError(f"no model to serve in {directory}: train one or copy one there")


def _fitted(name: str, model: Model, plan: SlotPlan, share: int) -> SlotPlan:
    """Return the plan for one model. Raises ModelError if one image needs more than the
    share."""
    size = slot_bytes(model)
    if size > share:
        raise ModelError(
            f"one image of {name} takes {size / MIB:.1f} MiB while it is drawn, "
            f"and its share is {share / MIB:.1f}: "
            "raise PIXELRNN_SLOT_MEMORY_MIB, or serve fewer models"
        )
    particle_bytes = (
        0 if model.config.multi_scale else (size + guide_bytes(model)) // CHAINS
    )
    most = sizes_of(1, len(model.members), model.config.dimensions)[-1]
    scratch = scratch_bytes(model)
    of_model = size, share, particle_bytes, CHAINS * most, scratch
    particle_scratch = scratch + guide_scratch_bytes(model)
    threads = plan.threads if draws_in_threads(model) else 1
    of_pass = pass_bytes(model)
    while True:
        slots = plan.slots or seats(model) * threads
        wanted = replace(plan, slots=slots, threads=min(threads, slots + plan.express))
        fitted = wanted.fitted(*of_model, particle_scratch, of_pass)
        enough = min(FEWEST_EACH * threads, slots + plan.express)
        if threads == 1 or fitted.slots + fitted.express >= enough:
            return fitted
        threads -= 1


def _can(kind: Kind, card: Card, has_codec: bool) -> bool:
    has_all = card.config.multi_scale or not kind.needs_scales
    tells_labels = bool(card.labels) and not card.config.multi_scale
    return (
        has_all
        and (has_codec or not kind.needs_codec)
        and (tells_labels or not kind.needs_labels)
    )


def _reason_for_processors(name: str, model: Model) -> str:
    """Return and log why the GPU does not draw from a model; return an empty string if
    it does, or if there is no GPU."""
    reason = reason_for_processors(model)
    if reason is None:
        return ""
    log = structlog.get_logger("card")
    log.critical("processors_draw", model=name, device=model.device, reason=reason)
    return reason[:LONGEST]


def _card(name: str, model: Model, plan: SlotPlan) -> ModelCard:
    """Return the announced card of a model that is not warmed up yet."""
    facts = _card_facts(
        name, model.card, has_codec(model), plan.particles, is_cold(model)
    )
    reason = _reason_for_processors(name, model)
    return facts.model_copy(update={"on_processors": reason})


def _card_facts(
    name: str, card: Card, has_codec: bool, particles: int, is_cold: bool
) -> ModelCard:
    config = card.config
    scores = card.scores if card.scores.get("split") == "test" else {}
    members = tuple(member.orientation for member in card.members) or ("none",)
    has_fields = not config.multi_scale and "none" in members
    announced = ModelCard(
        name=name,
        network=config.network,
        height=config.height,
        width=config.width,
        channels=config.channels,
        small_height=config.small.height if config.multi_scale else 0,
        small_width=config.small.width if config.multi_scale else 0,
        values=config.values,
        parameters=card.parameters,
        data=card.data,
        test_nats=scores.get("nats"),
        test_bits_per_dim=scores.get("bits_per_dim"),
        digest=card.sha256,
        identity=card.identity,
        can=tuple(word for word, kind in KINDS.items() if _can(kind, card, has_codec)),
        title=NETWORKS[config.network].title,
        members=members,
        methods=(Method.POSTERIOR, Method.CLAMP) if particles else (Method.CLAMP,),
        max_particles=particles,
        labels=tuple(
            Label(name=label.name, prior=label.prior) for label in card.labels
        ),
        field=card.field,
        field_step=card.step if has_fields else 0,
        palette=card.palette,
        names=card.names,
        compiling=True,
        cold=is_cold,
    )
    try:
        announced.model_dump_json()
    except ValueError as error:
        raise ModelError(f"its card cannot be told as JSON: {error}") from None
    return announced
