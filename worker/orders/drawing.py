"""Images that are drawn in slots, row by row."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec, Priority
from worker.orders.images import Drawer, Given, PlannedImage, drawn_images, plan_images
from worker.orders.order import Material, Order
from worker.orders.priorities import priority_of


@dataclass(frozen=True)
class Hole:
    """The hole that `posterior` completes: all that is given, and at which temperature the rest is drawn, by the noise
    of images of the seed from number `first` on."""

    given: Given
    temperature: float
    seed: int
    first: int = 0


@dataclass(frozen=True)
class DrawOrder(Order):
    """The images of a job that still lack rows."""

    values: int
    """How many values a colour takes: rows become bytes by it."""
    images: Sequence[PlannedImage]
    priority: Priority = Priority.INTERACTIVE
    drawn: NDArray[np.integer] | None = None
    """All images of a job that is looked at once it is drawn, as values (n, C, H, W), as far as earlier attempts
    came."""
    rank: bool = False
    """They are scored."""
    hole: Hole | None = None
    """They are exact draws from the posterior of this hole, and get a receipt."""


def draw_order(
    spec: JobSpec,
    card: ModelCard,
    material: Material,
    given: Given | None,
    drawer: Drawer,
    rank: bool = False,
    hole: Hole | None = None,
) -> DrawOrder:
    """The order for a job whose images begin with `given`."""
    images = plan_images(spec, card.values, given, material.rows, drawer)
    drawn = drawn_images(spec, card.values, material.rows) if rank or hole else None
    return DrawOrder(material.claim, spec.model, card.values, images, priority_of(spec), drawn, rank, hole)
