"""Orders for questions about one picture, which passes of the model answer between the
steps of drawing."""

from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.contract.kinds.score import ScoreOptions
from worker.orders.faults import JobRefusedError, malformed_spec
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
    pixels: NDArray[np.uint8]
    """(C, H, W), 0..255."""
    keep: NDArray[np.bool_] | None = None
    """(H, W), True = given; None if all pixels are given."""


def score_order(spec: JobSpec, card: ModelCard, material: Material) -> PictureOrder:
    """Return the order for a score. Raises JobRefusedError if the requested pixel lies
    outside of the image."""
    pixel = cast(ScoreOptions, spec.options).pixel
    if pixel is not None and (pixel.x >= spec.width or pixel.y >= spec.height):
        raise JobRefusedError(
            malformed_spec("The requested pixel lies outside of the image.")
        )
    return picture_order(spec, card, material)


def picture_order(spec: JobSpec, card: ModelCard, material: Material) -> PictureOrder:
    """Return the order for a job about one picture."""
    keep = kept_pixels(spec, material.keep) if material.keep else None
    return PictureOrder(
        material.claim, spec.model, spec, whole_picture(spec, material.pixels), keep
    )
