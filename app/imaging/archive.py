"""All pictures of a job as one zip, made piece by piece, so that only one picture is in
memory at a time."""

import math
import zipfile
from collections.abc import AsyncGenerator

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from app.errors import BadParameterError, NoRowsYetError
from app.imaging.render import MAX_SIDE, Canvas, sample_file

MAX_PIXELS = 4 * MAX_SIDE**2
"""Most pixels of all pictures in an archive together."""

_PIXEL_BYTES = 4
"""Bytes of a pixel in memory, at most."""


class Archive:
    """A zip of the drawn samples of a canvas: 00.png, 01.png, ..."""

    def __init__(self, canvas: Canvas, scale: int, imaging: CapacityLimiter) -> None:
        """scale: side of the square that each pixel becomes.
        imaging: limits the number of threads that encode pictures.

        Raises NoRowsYetError if no sample has a row, and BadParameterError if the scale
        is too large.
        """
        if not canvas.samples:
            raise NoRowsYetError("no sample of this job has a row yet")
        if scale > (most := _largest_scale(canvas)):
            raise BadParameterError(
                f"scale: at most {most} here (a side of {MAX_SIDE} pixels, and "
                f"{MAX_PIXELS} pixels in all pictures)"
            )
        self._canvas = canvas
        self._scale = scale
        self._imaging = imaging
        self._is_wanted = True

    @property
    def bytes_held(self) -> int:
        """Upper bound for the bytes of memory that the archive takes while it is sent:
        the pixels of all samples, and two pictures of one sample, one of them
        enlarged."""
        canvas = self._canvas
        # A filled picture is made from the others when its sample is read.
        samples = sum(len(pixels) for pixels in canvas.samples.values())
        picture = _PIXEL_BYTES * canvas.height * canvas.width
        return samples + picture * (1 + self._scale**2)

    def end(self) -> None:
        """Stop making pictures: the client does not read any more."""
        self._is_wanted = False

    async def chunks(self) -> AsyncGenerator[bytes, None]:
        """Yield the zip in pieces: one for each picture, then the table of contents.
        After `end` it stops before the next picture, and the zip stays incomplete."""
        out = Outlet()
        # Stored, because pictures are compressed already.
        with zipfile.ZipFile(out, "w") as archive:
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
                yield out.take()
        yield out.take()


def _largest_scale(canvas: Canvas) -> int:
    """Return the largest scale for which each side and all pictures together stay
    within the limits."""
    drawn = len(canvas.samples) * canvas.height * canvas.width
    return min(
        MAX_SIDE // max(canvas.height, canvas.width), math.isqrt(MAX_PIXELS // drawn)
    )


class Outlet:
    """A file for `zipfile` to write to. It cannot seek; written bytes are taken out
    piece by piece."""

    def __init__(self) -> None:
        self._written = bytearray()

    def write(self, data: bytes) -> int:
        """Append the bytes; return their number."""
        self._written += data
        return len(data)

    def flush(self) -> None:
        """Do nothing: written bytes are in memory at once."""

    def close(self) -> None:
        """Do nothing: there is no file to close."""

    def take(self) -> bytes:
        """Return the bytes that were written since the last call, and forget them."""
        data = bytes(self._written)
        self._written.clear()
        return data
