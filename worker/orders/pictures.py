"""A picture of which something is to be said: passes of the model between the steps of what is drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.images import kept_pixels, whole_picture
from worker.orders.order import Material, Order


@dataclass(frozen=True)
class PictureOrder(Order):
    """An order about one picture, which the function of its kind carries out
    (worker.engine.kinds.OF_PICTURES).

    The function is called with the order, the model, and the second model of a job that
    asks one. It returns the Outcome, or an iterator that yields after each step how
    much is done, 0 to 1, and at last the Outcome.
    """

    job: JobSpec
    pixels: NDArray[np.uint8]
    """(C, H, W), as pixels and not as values."""
    keep: NDArray[np.bool_] | None = None
    """(H, W), True = given; None: all of it is."""


def build(spec: JobSpec, card: ModelCard, material: Material) -> PictureOrder:
    """JobRefusedError when the picture, or what says which part of it is given, has not the model's size."""
    keep = kept_pixels(spec, material.keep) if material.keep else None
    return PictureOrder(
        material.claim, spec.model, spec, whole_picture(spec, material.pixels), keep
    )
