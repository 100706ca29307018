"""A picture that is scored, and perhaps one pixel of it."""

from typing import cast

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.contract.kinds.score import ScoreOptions
from worker.orders import pictures
from worker.orders.faults import JobRefusedError, malformed_spec
from worker.orders.order import Material


def build(spec: JobSpec, card: ModelCard, material: Material) -> pictures.PictureOrder:
    """JobRefusedError for a pixel that the picture does not have, and as for every picture."""
    pixel = cast(ScoreOptions, spec.options).pixel
    if pixel is not None and (pixel.x >= spec.width or pixel.y >= spec.height):
        raise JobRefusedError(
            malformed_spec("The pixel that is asked about lies outside of the image.")
        )
    return pictures.build(spec, card, material)
