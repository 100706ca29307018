"""The pictures of a file that an encoding made."""

from typing import Annotated

from worker.contract.changed_card import SINCE, ChangedCardOptions, Shown
from worker.contract.kind import FOUND, DrawnOptions, Input, Kind


class DecodeOptions(ChangedCardOptions, DrawnOptions):
    """The pictures of a file."""

    names_identity: Annotated[bool, FOUND, SINCE] = False
    """The file is of version 2, which earlier workers cannot read."""


KIND = Kind(
    "decode",
    "decoding",
    """The pictures of a file of `POST /encode` or of `pixelrnn encode`, as the images of a job.

    The body is the file, which names its model. It is refused where nobody holds those weights, and where it holds more
    pictures than a job has images. What only a worker can see ends the job, with `not-decodable` and the reason:
    damage, or a machine that computes otherwise than the one that encoded.
    """,
    Input.CODED_FILE,
    DecodeOptions,
    order="worker.orders.kinds.decode:build",
    carried_out="worker.engine.kinds.decode:decoded",
    shown=Shown,
)
