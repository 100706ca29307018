"""Orders for scoring a picture, and perhaps one of its pixels."""

from typing import cast

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.contract.kinds.score import ScoreOptions
from worker.orders import pictures
from worker.orders.faults import JobRefusedError, malformed_spec
from worker.orders.order import Material


def build(spec: JobSpec, card: ModelCard, material: Material) -> pictures.PictureOrder:
    """Return the order for a score. Raises JobRefusedError if the picture does not have
    the job's size, or the pixel lies outside of it."""
    pixel = cast(ScoreOptions, spec.options).pixel
    if pixel is not None and (pixel.x >= spec.width or pixel.y >= spec.height):
        raise JobRefusedError(
            malformed_spec("The requested pixel lies outside of the image.")
        )
    return pictures.build(spec, card, material)
