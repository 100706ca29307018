"""PNG of the rows that a job's stream holds. Rows not drawn yet are black."""

import io
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.errors import BadParameterError, NoRowsYetError
from worker.contract.events import RowDrawn
from worker.contract.jobs import JobSpec

MAX_SIDE = 4096
_GAP = 1
_GAP_GREY = 96


@dataclass(frozen=True)
class Canvas:
    """The samples of a job as far as they are drawn, each H*W*C bytes; samples without a row are not in it."""

    spec: JobSpec
    samples: Mapping[int, bytes]

    @classmethod
    def of(cls, spec: JobSpec, rows: Iterable[RowDrawn]) -> "Canvas":
        stride = spec.width * spec.channels
        samples: dict[int, bytearray] = {}
        for row in rows:
            pixels = samples.setdefault(row.sample, bytearray(spec.height * stride))
            pixels[row.y * stride : (row.y + 1) * stride] = row.pixel_bytes()
        return cls(spec, {sample: bytes(pixels) for sample, pixels in samples.items()})


def sample_png(canvas: Canvas, sample: int, scale: int) -> bytes:
    """One sample, each pixel a square of `scale`. Raises BadParameterError, NoRowsYetError."""
    if sample >= canvas.spec.n:
        raise BadParameterError(f"sample: the job has the samples 0 to {canvas.spec.n - 1}")
    return _png(_picture(canvas, sample), scale, {**_origin(canvas.spec), "sample": str(sample)})


def grid_png(canvas: Canvas, scale: int) -> bytes:
    """All samples in a grid as square as can be, row by row, one pixel of grey between them."""
    spec = canvas.spec
    if not canvas.samples:
        raise NoRowsYetError("no sample of this job has a row yet")
    columns = math.ceil(math.sqrt(spec.n))
    lines = math.ceil(spec.n / columns)
    size = (columns * (spec.width + _GAP) - _GAP, lines * (spec.height + _GAP) - _GAP)
    mode, grey = ("L", _GAP_GREY) if spec.channels == 1 else ("RGB", (_GAP_GREY,) * 3)
    grid = Image.new(mode, size, grey if spec.n > 1 else 0)
    for sample in sorted(canvas.samples):
        line, column = divmod(sample, columns)
        grid.paste(_picture(canvas, sample), (column * (spec.width + _GAP), line * (spec.height + _GAP)))
    return _png(grid, scale, {**_origin(spec), "samples": str(spec.n)})


def _picture(canvas: Canvas, sample: int) -> Image.Image:
    spec = canvas.spec
    if sample not in canvas.samples:
        raise NoRowsYetError("this sample has no row yet")
    return Image.frombytes("L" if spec.channels == 1 else "RGB", (spec.width, spec.height), canvas.samples[sample])


def _origin(spec: JobSpec) -> dict[str, str]:
    """What it takes to draw the same picture again."""
    return {
        "model": spec.model,
        "digest": spec.digest,
        "seed": str(spec.seed),
        "temperature": repr(spec.temperature),
    }


def _png(image: Image.Image, scale: int, text: Mapping[str, str]) -> bytes:
    width, height = image.width * scale, image.height * scale
    if max(width, height) > MAX_SIDE:
        raise BadParameterError(f"scale: at most {MAX_SIDE // max(image.size)} here (a side of {MAX_SIDE} pixels)")
    chunks = PngInfo()
    for key, value in text.items():
        chunks.add_text(key, value)
    out = io.BytesIO()
    image.resize((width, height), Image.Resampling.NEAREST).save(out, "PNG", pnginfo=chunks)
    return out.getvalue()
