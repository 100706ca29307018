"""All pictures of a job as one zip, made piece by piece: of all that it holds, no more than one is in memory."""

import math
import zipfile
from collections.abc import AsyncGenerator

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from app.errors import BadParameterError, NoRowsYetError
from app.imaging.render import MAX_SIDE, Canvas, sample_file

MAX_PIXELS = 4 * MAX_SIDE**2
"""Limit for all pictures together."""


class Archive:
    """The drawn samples of a canvas as 00.png, 01.png, ..., each pixel a square of `scale`.

    Raises NoRowsYetError where none is drawn, BadParameterError for too large a scale.
    """

    def __init__(self, canvas: Canvas, scale: int, imaging: CapacityLimiter) -> None:
        if not canvas.samples:
            raise NoRowsYetError("no sample of this job has a row yet")
        if scale > (most := _largest_scale(canvas)):
            said = f"scale: at most {most} here (a side of {MAX_SIDE} pixels, and {MAX_PIXELS} pixels in all pictures)"
            raise BadParameterError(said)
        self._canvas = canvas
        self._scale = scale
        self._imaging = imaging
        self._is_wanted = True

    def end(self) -> None:
        """Nobody reads it any more."""
        self._is_wanted = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """One for each picture, and the table of contents."""
        out = Outlet()
        with zipfile.ZipFile(out, "w") as archive:  # pictures are compressed already
            for sample in sorted(self._canvas.samples):
                if not self._is_wanted:
                    return
                picture = await run_sync(
                    sample_file,
                    self._canvas,
                    sample,
                    self._scale,
                    limiter=self._imaging,
                )
                archive.writestr(zipfile.ZipInfo(f"{sample:02}.png"), picture)
                yield out.taken()
        yield out.taken()


def _largest_scale(canvas: Canvas) -> int:
    drawn = len(canvas.samples) * canvas.height * canvas.width
    return min(
        MAX_SIDE // max(canvas.height, canvas.width), math.isqrt(MAX_PIXELS // drawn)
    )


class Outlet:
    """A file for `zipfile` to write: it cannot seek, and what was written is taken out of
    it piece by piece."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        self._written += data
        return len(data)

    def flush(self) -> None:
        """Do nothing: written bytes are in memory at once."""

    def close(self) -> None:
        """Do nothing: there is no file to close."""

    def taken(self) -> bytes:
        """Return what was written since the last call."""
        data = bytes(self._written)
        self._written.clear()
        return data
