"""Orders for completions: drawn in slots like any image if that is exact, otherwise by
particles."""

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
    GivenImage,
    exact_drawer,
    kept_pixels,
    requested_label,
    rows_published,
    whole_picture,
)
from worker.orders.order import Material, Order


@dataclass(frozen=True)
class ParticleOrder(Order):
    """A completion whose images are drawn by particles. Each image is published when it
    is complete."""

    values: int
    """Number of different values of a row's byte."""
    hole: Hole
    particles: int
    """Particles for each image."""
    sweeps: int
    """Number of times that each image is drawn again."""
    published: tuple[int, ...]
    """Number of rows of each image that earlier attempts published. Complete images are
    drawn again too, because the receipt is about the particles of all images."""
    priority: Priority = Priority.INTERACTIVE
    rank: bool = False
    """True if the images are scored at the end."""
    most_scores: int = 0
    """Limit of `run_of`: a hole with few fillings is enumerated, and one that all members
    of a mixture draw last is drawn exactly; 0 if neither."""

    @property
    def images(self) -> int:
        """Number of images that are drawn; a job of no images draws one for its
        statistics."""
        return max(1, len(self.published))


def complete_order(
    spec: JobSpec, card: ModelCard, material: Material
) -> DrawOrder | ParticleOrder:
    """Return the order for a completion: of images in slots for `clamp`, and for
    `posterior` if that is exact; else by particles. Raises ValueError if the mask needs
    more particles than the model allows although the job's description says that it
    needs none."""
    options = cast(CompleteOptions, spec.options)
    if not options.fits(card):
        raise JobRefusedError(
            method_refused(spec.model, list(card.methods), card.max_particles)
        )
    given = given_image(spec, card.levels, material.pixels, material.keep)
    if not options.by_posterior:
        # "Above and to the left" means the drawing order of the first member.
        first = Drawer(0, resumes=card.members[0] == "none")
        return draw_order(spec, card, material, given, first, options.rank)
    assert given.keep is not None
    hole = Hole(
        given, spec.temperature, spec.seed, spec.first, requested_label(spec, card)
    )
    drawer = exact_drawer(card.members, given.keep)
    if drawer is not None:
        return draw_order(spec, card, material, given, drawer, options.rank, hole)
    particles = options.particles or PARTICLES
    if particles > card.max_particles:
        raise ValueError(
            f"{particles} particles: expected at most {card.max_particles}"
        )
    return ParticleOrder(
        material.claim,
        spec.model,
        card.levels,
        hole,
        particles,
        options.sweeps,
        rows_published(spec, material.rows),
        spec.effective_priority,
        options.rank,
        options.limit_of_scores,
    )


def given_image(spec: JobSpec, values: int, pixels: bytes, keep: bytes) -> GivenImage:
    """Return picture and mask as values.

    values: number of different values of a byte.
    """
    return GivenImage(
        pixels_to_values(whole_picture(spec, pixels), values), kept_pixels(spec, keep)
    )
