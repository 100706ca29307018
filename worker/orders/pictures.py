"""Orders for questions about one picture, which passes of the model answer between the
steps of drawing."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.images import kept_pixels, whole_picture
from worker.orders.order import Material, Order


@dataclass(frozen=True)
class PictureOrder(Order):
    """The picture of a job, for kinds such as `score`.

    The function of its kind (worker.engine.kinds.OF_PICTURES) takes (order, model), and
    for a score against a second model that model as well. It returns the Outcome, or an
    iterator that yields the progress after each step, 0 to 1, and at last the Outcome.
    """

    job: JobSpec
    """The job."""
    pixels: NDArray[np.uint8]
    """(C, H, W), 0..255."""
    keep: NDArray[np.bool_] | None = None
    """(H, W), True = given; None if all pixels are given."""


def build(spec: JobSpec, card: ModelCard, material: Material) -> PictureOrder:
    """Return the order for the picture of a job. Raises JobRefusedError if picture or
    mask do not have the job's size."""
    keep = kept_pixels(spec, material.keep) if material.keep else None
    return PictureOrder(
        material.claim, spec.model, spec, whole_picture(spec, material.pixels), keep
    )
