"""Unfinished pictures of an image that is being drawn, at even distances between the
first row and the last."""

import base64
import json
from collections.abc import Iterator, Sequence
from fractions import Fraction
from typing import Any

from app.services.row_feed import FeedEvent
from worker.contract.events import Stage
from worker.contract.jobs import JobSpec


class PartialPictures:
    """The unfinished pictures of a job's first image: each is due once its share of the
    rows is drawn, or of the work if particles draw the image."""

    def __init__(self, count: int, spec: JobSpec, pixels: bytes) -> None:
        """count: number of pictures.
        spec: the job.
        pixels: H*W*C bytes, the image before its first row."""
        self._count = count
        self._height = spec.height
        self._pixels = bytearray(pixels)
        self._stride = spec.width * spec.channels
        self._next = 0

    def due(self, events: Sequence[FeedEvent]) -> Iterator[tuple[int, bytes]]:
        """Yield (index, pixels) of each unfinished picture that becomes due with these
        events. `pixels` are H*W*C bytes. There is at most one for each event, so that
        an image of few rows may have fewer pictures than `count`."""
        for event in events:
            if self._next < self._count and event.name in ("row", "estimate"):
                found = json.loads(event.data)
                if event.name == "row":
                    share, pixels = self._with_row(found)
                else:
                    share, pixels = _expected_picture(found)
                if share * (self._count + 1) >= self._next + 1:
                    yield self._next, pixels
                    self._next += 1

    def _with_row(self, row: dict[str, Any]) -> tuple[Fraction, bytes]:
        """Return the share of drawn rows, and the image with this row."""
        if row.get("stage", Stage.FINAL) != Stage.FINAL:
            return Fraction(0), b""
        first = row["y"] * self._stride
        self._pixels[first : first + self._stride] = base64.b64decode(row["pixels"])
        return Fraction(row["y"] + 1, self._height), bytes(self._pixels)


def _expected_picture(estimate: dict[str, Any]) -> tuple[Fraction, bytes]:
    """Return the share of the work that is done, and the expected image."""
    return Fraction(estimate["share"]), base64.b64decode(estimate["mean"])
