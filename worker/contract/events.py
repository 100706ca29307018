"""Entries of a job's stream: rows, then one that says how the job ended. Each has the fields `type` and `data`.

Beside it there may be an estimate, which is in no stream of rows: what is expected so far of an image by particles.

Rows are numbered 1, 2, ... without a gap, and so is the end. An entry's id is the number of the last row in it: `row`
has one, in JSON, and `rows` has several that were written together, a line each.
"""

import base64
import binascii
from enum import StrEnum

from pydantic import Field

from worker.contract.jobs import JobStatus
from worker.contract.record import Record


class Stage(StrEnum):
    """The image of a Multi-Scale model that a row belongs to; other models have the final one only."""

    SMALL = "small"
    FINAL = "final"


class EventType(StrEnum):
    ROW = "row"
    ROWS = "rows"
    DONE = "done"
    ERROR = "error"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        return self not in (EventType.ROW, EventType.ROWS)


TERMINAL_EVENT = {
    JobStatus.SUCCEEDED: EventType.DONE,
    JobStatus.FAILED: EventType.ERROR,
    JobStatus.CANCELED: EventType.CANCELED,
}


class RowDrawn(Record):
    """Row `y` of sample `sample` is final: W*C bytes 0..255 in base64, pixel by pixel, colour by colour.

    A Multi-Scale model draws a small image first: its rows come before those of the final image, and are narrower.
    """

    sample: int = Field(ge=0)
    y: int = Field(ge=0)
    pixels: str
    stage: Stage = Stage.FINAL

    def pixel_bytes(self) -> bytes:
        return base64.b64decode(self.pixels)


def row_entry(sample: int, y: int, pixels: bytes, of_small: bool = False) -> str:
    """A row as it stands in the stream, `RowDrawn` in JSON: the stage only where it is not the usual one.

    Written out: a worker that draws small images makes ten thousand a second.
    """
    unusual = f',"stage":"{Stage.SMALL}"' if of_small else ""
    return f'{{"sample":{sample},"y":{y},"pixels":"{binascii.b2a_base64(pixels, newline=False).decode()}"{unusual}}}'


def estimate_entry(sample: int, share: float, mean: bytes) -> str:
    """The expectation of each pixel so far, in JSON: H*W*C bytes 0..255 in base64, the rows from the top down, each as
    in RowDrawn. sample: the image that is being drawn; share: how much of the job's work is done, 0 to 1."""
    return f'{{"sample":{sample},"share":{share:.4f},"mean":"{binascii.b2a_base64(mean, newline=False).decode()}"}}'


def rows_of(type_: bytes, data: bytes) -> list[str]:
    """The rows in an entry, each as `row_entry` has it; none in one that says how the job ended. ValueError for one of
    another type."""
    event = EventType(type_.decode())
    return [] if event.is_terminal else data.decode().split("\n")
