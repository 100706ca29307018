"""Entries of a job's stream: rows, then one entry that reports how the job ended. Each
has the fields `type` and `data`.

Estimates, the expected image so far of a job drawn by particles, are kept in another
stream (`keys.estimate`).

Rows are numbered 1, 2, ... without a gap, and the final entry has the next number. The
id of an entry is the number of its last row: a `row` entry contains one row as JSON, a
`rows` entry several that were written together, one on each line.
"""

import base64
import binascii
from enum import StrEnum

from pydantic import Field

from worker.contract.jobs import JobStatus
from worker.contract.record import Record


class Stage(StrEnum):
    """Which image of a Multi-Scale model a row belongs to: the small one, which is
    drawn first, or the final one. Other models have only final rows."""

    SMALL = "small"
    FINAL = "final"


class EventType(StrEnum):
    """Types of entries: rows, and the three ends of a job."""

    ROW = "row"
    ROWS = "rows"
    DONE = "done"
    ERROR = "error"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        """True for the type of the last entry of a stream."""
        return self not in (EventType.ROW, EventType.ROWS)


TERMINAL_EVENT = {
    JobStatus.SUCCEEDED: EventType.DONE,
    JobStatus.FAILED: EventType.ERROR,
    JobStatus.CANCELED: EventType.CANCELED,
}
"""The type of the last entry for each final status."""


class RowDrawn(Record):
    """Row `y` of image `sample` (counted from 0) is final.

    `pixels` is base64 of its W*C bytes, values 0..255, or values of a model with a
    palette, ordered by pixel and then by colour. A Multi-Scale model draws a small
    image first: the rows of `stage` small come before those of the final image, and are
    narrower.
    """

    sample: int = Field(ge=0)
    """Index of the image in the job, counted from 0."""
    y: int = Field(ge=0)
    """Index of the row in the image, from the top."""
    pixels: str
    """The row's bytes in base64."""
    stage: Stage = Stage.FINAL
    """The image that the row belongs to."""

    def pixel_bytes(self) -> bytes:
        """Return the decoded bytes of the row."""
        return base64.b64decode(self.pixels)


def row_entry(sample: int, y: int, pixels: bytes, of_small: bool = False) -> str:
    """Return a row as JSON in the form of RowDrawn, as the stream stores it.

    pixels: the row's W*C bytes.
    of_small: True if it belongs to the small image of a Multi-Scale model; only then is
        `stage` written.
    """
    stage = f',"stage":"{Stage.SMALL}"' if of_small else ""
    text = binascii.b2a_base64(pixels, newline=False).decode()
    # By hand, because a worker that draws small images writes ten thousand rows a
    # second.
    return f'{{"sample":{sample},"y":{y},"pixels":"{text}"{stage}}}'


def estimate_entry(sample: int, share: float, mean: bytes) -> str:
    """Return, as JSON, the expected value of each pixel so far.

    sample: index of the image that is being drawn.
    share: the part of the job's work that is done, 0 to 1.
    mean: H*W*C bytes 0..255, from the top row down, ordered as in RowDrawn; written as
        base64.
    """
    text = binascii.b2a_base64(mean, newline=False).decode()
    return f'{{"sample":{sample},"share":{share:.4f},"mean":"{text}"}}'


def rows_of(type_: bytes, data: bytes) -> list[str]:
    """Return the rows of one entry, each as `row_entry` writes it; none for the final
    entry of a job. Raises ValueError for an unknown type."""
    event = EventType(type_.decode())
    return [] if event.is_terminal else data.decode().split("\n")
