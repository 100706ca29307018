"""The hole of an image: drawn in slots like any image, or, where only they can, by particles."""

from dataclasses import dataclass
from typing import cast

from model_core.data.pixels import pixels_to_values
from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec, Priority
from worker.contract.kinds.complete import PARTICLES, CompleteOptions
from worker.orders.drawing import DrawOrder, Hole, draw_order
from worker.orders.faults import JobRefusedError, method_refused
from worker.orders.images import (
    Drawer,
    Given,
    asked_label,
    exact_drawer,
    kept_pixels,
    rows_published,
    whole_picture,
)
from worker.orders.order import Material, Order


@dataclass(frozen=True)
class ParticleOrder(Order):
    """A completion whose images are drawn by particles. Such an image is published whole."""

    values: int
    """Numbers that a byte of a row tells apart."""
    hole: Hole
    seed: int
    particles: int
    sweeps: int
    published: tuple[int, ...]
    """Rows of each image that earlier attempts published. Complete images are drawn again too: the receipt speaks of
    the particles of all."""
    priority: Priority = Priority.INTERACTIVE
    rank: bool = False
    enumerates: bool = False
    """A hole with few fillings is enumerated, and one that all members of a mixture draw
    last is drawn exactly."""

    @property
    def images(self) -> int:
        """Images that are drawn: one, which nobody sees, where only what is expected is wanted."""
        return max(1, len(self.published))


def build(
    spec: JobSpec, card: ModelCard, material: Material
) -> DrawOrder | ParticleOrder:
    """JobRefusedError for an input that does not fit, and for a method that the model does not have, or not so far."""
    options = cast(CompleteOptions, spec.options)
    if not options.fits(card):
        raise JobRefusedError(
            method_refused(spec.model, list(card.methods), card.max_particles)
        )
    given = given_image(spec, card.levels, material.pixels, material.keep)
    if not options.by_posterior:
        first = Drawer(
            0, resumes=card.members[0] == "none"
        )  # given pixels are put into the order of the first member
        return draw_order(spec, card, material, given, first, options.rank)
    assert given.keep is not None
    hole = Hole(given, spec.temperature, spec.seed, spec.first, asked_label(spec, card))
    drawer = exact_drawer(card.members, given.keep)
    if drawer is not None:
        return draw_order(spec, card, material, given, drawer, options.rank, hole)
    particles = options.particles or PARTICLES
    if particles > card.max_particles:
        raise ValueError(
            f"it asks for {particles} particles, and there is room for {card.max_particles}"
        )
    return ParticleOrder(
        material.claim,
        spec.model,
        card.levels,
        hole,
        spec.seed,
        particles,
        options.sweeps,
        rows_published(spec, material.rows),
        spec.effective_priority,
        options.rank,
        options.enumerate,
    )


def given_image(spec: JobSpec, values: int, pixels: bytes, keep: bytes) -> Given:
    """The image and what of it is given, as values. JobRefusedError when they do not fit."""
    return Given(
        pixels_to_values(whole_picture(spec, pixels), values), kept_pixels(spec, keep)
    )
