"""Entries of a job's stream. Each has the fields `type` and `data` (JSON); ids: 1-0, 2-0, ... without a gap."""

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
    DONE = "done"
    ERROR = "error"
    CANCELED = "canceled"

    @property
    def is_terminal(self) -> bool:
        return self is not EventType.ROW


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
