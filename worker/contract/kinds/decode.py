"""Decoding: the pictures of a file that an encoding made."""

from typing import Annotated

from worker.contract.changed_card import SINCE, CardChangedField, ChangedCardOptions
from worker.contract.kind import Input, Kind
from worker.contract.options import FOUND, DrawnOptions


class DecodeOptions(ChangedCardOptions, DrawnOptions):
    """The pictures of a file."""

    names_identity: Annotated[bool, FOUND, SINCE] = False
    """True if the file has version 2, which earlier workers cannot read."""


KIND = Kind(
    "decode",
    "decoding",
    """The pictures of a file of `POST /encode` or of `pixelrnn encode`, as the images
    of a job.

    The body is the file, which names its model. It is refused if no worker holds a
    model of those weights, or if it contains more pictures than a job may have images.
    Problems that only a worker can find end the job with `not-decodable` and the
    reason: damage, or a machine whose arithmetic differs from the encoder's.
    """,
    Input.CODED_FILE,
    DecodeOptions,
    job_fields=CardChangedField,
)
