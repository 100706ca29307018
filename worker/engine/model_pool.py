"""The loaded models, their cards, and engines on demand."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
import structlog
import torch
from numpy.typing import NDArray

from model_core import load_model, model_names
from model_core.card import Card
from model_core.codec.codec import has_codec
from model_core.errors import ModelError
from model_core.image_request import ImageRequest
from model_core.kinds import KINDS as NETWORKS
from model_core.measures.picture_score import score_picture
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.posterior.islands import CHAINS, IslandsRun
from model_core.posterior.particles import StageParticles
from model_core.posterior.targets import Target
from model_core.sampling.model_engine import Engine
from model_core.sampling.stages import compiled_loops, is_cold, numerics_of, seats, slot_bytes
from worker.contract.cards import ModelCard
from worker.contract.kind import Kind, Label, Method
from worker.contract.kinds import KINDS
from worker.contract.kinds.complete import MAX_PARTICLES
from worker.orders.catalogue import kept_name
from worker.orders.kinds.complete import ParticleOrder

WARM_UP_ROWS = 2
"""Enough to compile every kernel of a step, also those that first run in the second row."""

MIB = 2**20
KEPT_STATES = 4
"""States that are kept of completed pictures: more completions of one of them begin after its given rows."""

FURTHER_PART = 4
"""Models that come while the worker runs may have one in so many bytes of the memory for slots, beside the others."""

PART_FOR_PARTICLES = 4
"""Particles may have one in so many bytes of a model's share; slots have the rest."""


@dataclass(frozen=True)
class SlotPlan:
    """How many images of one model are drawn at once."""

    slots: int
    """Slots for images of any job; 0, in a plan for models yet unknown, for as many of each as are drawn fastest."""
    express: int
    """Further ones, of jobs that have no other: see Settings.express_slots."""
    slot_memory_mib: int
    """Memory for the slots of all models together."""
    particles: int = 0
    """Particles of one image, beside the slots."""
    kept: int = 0
    """States after given rows, in what the slots leave."""

    def share(self, models: int) -> int:
        """Bytes for each of so many."""
        return self.slot_memory_mib * MIB // models

    def fitted(self, slot_bytes: int, share: int, particle_bytes: int | None = None) -> "SlotPlan":
        """The plan with as many particles as a quarter of the share holds, and as many slots as the rest does; the
        express ones give way last. particle_bytes: None for a model that has no particles. There is place for one
        slot."""
        particles = min(MAX_PARTICLES, share // PART_FOR_PARTICLES // particle_bytes) if particle_bytes else 0
        rest = max(slot_bytes, share - particles * (particle_bytes or 0))
        room = rest // slot_bytes
        fit = min(self.slots + self.express, room)
        express, kept = min(self.express, fit - 1), min(KEPT_STATES, room - fit)
        return replace(self, slots=fit - express, express=express, particles=particles, kept=kept)


class ModelPool:
    """Models by name, all on one device. ModelError when one image of a model is too large for its share of memory."""

    def __init__(self, models: Mapping[str, Model], plan: SlotPlan) -> None:
        self._models = dict(models)
        self._begun_with = frozenset(models)
        self._plan, self._share = plan, plan.share(len(self._models))
        self.plans = {name: _fitted(name, model, plan, self._share) for name, model in self._models.items()}
        self.cards = {name: _card(name, model, self.plans[name]) for name, model in self._models.items()}
        self._stages: dict[str, _Stages] = {}
        self.numerics = ", ".join(sorted({_numerics(self._models[name], plan) for name, plan in self.plans.items()}))
        """The arithmetic that draws all of them: one, as they are all on one device."""
        self.refused: dict[str, str] = {}
        """Models that could not be loaded, and why."""
        self._lent: dict[str, int] = {}
        """Memory for the slots of models that came later, by name."""

    @property
    def loaded(self) -> int:
        """How many models are in memory, those whose weights were exchanged too."""
        return len(self._models)

    def engine_name(self, name: str, identity: str) -> str | None:
        """The name of this model here; None where it is not loaded."""
        later = f"{name}@{identity}"
        if later in self._models:
            return later
        return name if name in self.cards and self.cards[name].identity == identity else None

    def renew(self, called: str, card: Card) -> ModelCard:
        """Say what the card of a loaded model says now: it has the same identity."""
        self._models[called] = replace(self._models[called], card=card)
        self.cards[called] = _card(card.name, self._models[called], self.plans[called])
        return self.cards[called]

    def add(self, model: Model) -> ModelCard:
        """One more model, or other weights of one, under the name that `kept_name` gives it. ModelError when it does
        not fit, or is drawn with another arithmetic than the others.

        Other weights have the same memory for slots as those in whose place they come. A further model takes nothing
        from the others: it has half of what is left of a quarter that such models have beside them.
        """
        own = model.card.name
        share = self._share if own in self._begun_with else self._share_of_a_further(own)
        plan = _fitted(own, model, self._plan, share)
        numerics = _numerics(model, plan)
        if numerics not in self.numerics.split(", "):
            raise ModelError(f"it is drawn by {numerics}, and the models of this worker by {self.numerics}")
        # What its first jobs wait for is made ready before it is announced.
        card = _card(own, model, plan).model_copy(update={"compiling": False, "cold": False})
        name = kept_name(card)
        self._models[name], self.plans[name], self.cards[name] = model, plan, card
        if own not in self._begun_with:
            self._lent[own] = share
        return card

    def forget(self, own: str) -> None:
        """A model is served no more: what it had as a further one is there for the next."""
        self._lent.pop(own, None)

    def _share_of_a_further(self, own: str) -> int:
        others = sum(share for name, share in self._lent.items() if name != own)
        return min(self._share, (self._plan.share(FURTHER_PART) - others) // 2)

    def names(self) -> list[str]:
        return sorted(self._models)

    def engine(self, name: str) -> Engine:
        """A fresh engine on the model's network."""
        plan = self.plans[name]
        return Engine(self._models[name], plan.slots + plan.express, plan.kept)

    def islands(self, order: ParticleOrder) -> IslandsRun:
        """Begin the images of a completion by particles. All such runs of a model share one stage: only one may be in
        the midst of an island."""
        hole = order.hole
        assert hole.given.values is not None
        assert hole.given.keep is not None
        model = self.model(order.model).given(hole.label)
        target = Target.of(model, hole.given.values, hole.given.keep, hole.temperature)
        stage = self._stages.setdefault(order.model, _Stages())
        return IslandsRun(target, order.seed, order.particles, order.sweeps, stage.of)

    def model(self, name: str) -> Model:
        return self._models[name]

    def loops(self, name: str) -> str | None:
        """Name of the loops that are compiled before the model first draws; None if it needs none."""
        return compiled_loops(self._models[name])

    def is_cold(self, name: str) -> bool:
        """True if something has to be compiled for this model."""
        return is_cold(self._models[name])

    def values_of(self, name: str) -> int:
        """How many values an image of the model has."""
        return self._models[name].config.dimensions

    def warm_up(self, name: str) -> None:
        """Draw a few rows in every way and score an image, so that no client waits for what is done only once."""
        self.draw_rows(name)
        self.take_given_rows(name)
        if not self._models[name].config.multi_scale:
            self._begin_island(name)

    def draw_rows(self, name: str) -> None:
        """A few of an image; of a Multi-Scale model, of both images."""
        self._draw_rows(name, ImageRequest(seed=0, sample=0))
        config = self._models[name].config
        if config.multi_scale:
            small = self._blank(name)[:, :: config.factor, :: config.factor]
            self._draw_rows(name, ImageRequest(seed=0, sample=0, small=small))

    def take_given_rows(self, name: str) -> None:
        """A few that are given, and a picture's score."""
        blank = self._blank(name)
        given = np.zeros(blank.shape[1:], np.bool_)
        given[:WARM_UP_ROWS] = True
        self._draw_rows(name, ImageRequest(seed=0, sample=0, known=blank, keep=given))
        score_picture(self._models[name], blank)

    def _blank(self, name: str) -> NDArray[np.uint8]:
        config = self._models[name].config
        return np.zeros((config.channels, config.height, config.width), np.uint8)

    def _begin_island(self, name: str) -> None:
        """Draw two particles of the first rows of an image in which only the first pixel is missing."""
        blank = self._blank(name)
        keep = np.ones(blank.shape[1:], np.bool_)
        keep[0, 0] = False
        run = IslandsRun(Target.of(self._models[name], blank, keep, 1.0), 0, particles=4, sweeps=0)
        for _ in islice(run.steps(0), WARM_UP_ROWS):
            pass

    def _draw_rows(self, name: str, request: ImageRequest) -> None:
        engine, rows = self.engine(name), 0
        engine.admit(request)
        while engine.busy and rows < WARM_UP_ROWS:
            rows += len(engine.step())


class _Stages:
    """The stages on which a model's particles are drawn, one for each of its networks: made anew where more of them are
    asked for."""

    def __init__(self) -> None:
        self._made: dict[PixelNetwork, tuple[int, StageParticles]] = {}

    def of(self, network: PixelNetwork, size: int) -> StageParticles:
        if self._made.get(network, (0,))[0] < size:
            self._made.pop(network, None)  # first, so that its memory is free
            self._made[network] = size, StageParticles(network, size)
        return self._made[network][1]


def load_pool(
    models_dir: Path | None,
    names: Iterable[str],
    device: str,
    plan: SlotPlan,
    threads: int,
    begin: Callable[[], None] = lambda: None,
) -> ModelPool:
    """Load the named models, or all there are. A damaged one is reported and left out; ModelError when none is left,
    when a model that was asked for by name cannot be loaded, or when one does not fit into the memory. begin: called
    before each model."""
    torch.set_num_threads(threads)
    log = structlog.get_logger("models")
    asked = tuple(names)
    models: dict[str, Model] = {}
    refused: dict[str, str] = {}
    for name in asked or model_names(models_dir):
        begin()
        try:
            models[name] = load_model(name, device=device, models_dir=models_dir)
        except ModelError as error:
            if asked:
                raise
            log.error("model_left_out", model=name, reason=str(error))
            refused[name] = str(error)
    if not models:
        raise ModelError(f"no model to serve in {models_dir or 'the models directory'}: train one or copy one there")
    pool = ModelPool(models, plan)
    pool.refused = refused
    slots = {name: plan.slots + plan.express for name, plan in pool.plans.items()}
    log.info("models_loaded", models=pool.names(), device=device, slots=slots)
    return pool


def _fitted(name: str, model: Model, plan: SlotPlan, share: int) -> SlotPlan:
    size = slot_bytes(model)
    if size > share:
        raise ModelError(
            f"one image of {name} takes {size / MIB:.1f} MiB while it is drawn, and its share is {share / MIB:.1f}: "
            "raise PIXELRNN_SLOT_MEMORY_MIB, or serve fewer models"
        )
    plan = replace(plan, slots=plan.slots or seats(model))
    return plan.fitted(size, share, None if model.config.multi_scale else size // CHAINS)


def _numerics(model: Model, plan: SlotPlan) -> str:
    return numerics_of(model, plan.slots + plan.express)


def _can(kind: Kind, model: Model) -> bool:
    has_all = model.config.multi_scale or not kind.needs_scales
    tells_labels = bool(model.card.labels) and not model.config.multi_scale
    return has_all and (has_codec(model) or not kind.needs_codec) and (tells_labels or not kind.needs_labels)


def _card(name: str, model: Model, plan: SlotPlan) -> ModelCard:
    """The model's card in the words of the contract, as long as it is not warmed up."""
    card, config = model.card, model.config
    scores = card.scores if card.scores.get("split") == "test" else {}
    return ModelCard(
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
        can=tuple(word for word, kind in KINDS.items() if _can(kind, model)),
        title=NETWORKS[config.network].title,
        members=tuple(member.orientation for member in model.members),
        methods=(Method.POSTERIOR, Method.CLAMP) if plan.particles else (Method.CLAMP,),
        max_particles=plan.particles,
        labels=tuple(Label(name=label.name, prior=label.prior) for label in card.labels),
        compiling=True,
        cold=is_cold(model),
    )
