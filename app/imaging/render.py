"""Pictures as files: what a job has drawn (rows that are not drawn yet are black), its
input, or maps."""

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from PIL import Image

from app.errors import BadParameterError, NoRowsYetError
from app.imaging.arrays import Shape, array_file
from app.imaging.npy import MEDIA_TYPE as NPY_TYPE
from app.imaging.palette import gap_of
from app.schema.answers import MarginalMap
from worker.contract.events import RowDrawn, Stage
from worker.contract.jobs import JobSpec
from worker.contract.kind import Source, Summary
from worker.contract.kinds import ALL_KINDS
from worker.contract.picture_file import MODES, model_text, origin_of, picture_bytes

MAX_SIDE = 4096
"""Longest side of a picture in a file, in pixels."""
MAX_SCALE = 128
"""Largest side of the square that a pixel becomes."""
_GAP = 1
_GAP_GREY = 128
"""Grey of the lines between images, the same as in the command's grids
(model_core.data.images.tile)."""


class PictureFormat(StrEnum):
    """File formats of pictures. WebP is lossless, JPEG is not.

    Only a PNG also contains the text that says how it was drawn. All but the array
    contain the mark of their source; the array contains the model's values and nothing
    else.
    """

    PNG = "png"
    WEBP = "webp"
    JPEG = "jpeg"
    NPY = "npy"

    @property
    def media_type(self) -> str:
        """Media type of the format."""
        return NPY_TYPE if self is PictureFormat.NPY else f"image/{self.value}"


_OPTIONS: Mapping[PictureFormat, Mapping[str, Any]] = {
    PictureFormat.PNG: {},
    PictureFormat.WEBP: {"lossless": True},
    PictureFormat.JPEG: {"quality": 95, "subsampling": 0},
}


@dataclass(frozen=True)
class Canvas:
    """Pictures of one size, from which files are rendered."""

    n: int
    """Number of pictures (samples)."""
    height: int
    width: int
    channels: int
    """Bytes of a pixel."""
    samples: Mapping[int, bytes]
    """Index -> height*width*channels bytes, 0 where a row is not drawn yet; pictures
    without a row are missing."""
    origin: Mapping[str, str]
    """Text chunks of a PNG by keyword, which say how to draw the pictures again."""
    first: int = 0
    """Number of sample 0 among the images of the seed."""
    source: Source | None = None
    """The mark in the files; None for none."""
    values: int = 0
    """Number of values of a colour; 0 if it is unknown, or the pictures are maps."""
    own: Sequence[Mapping[str, str]] = ()
    """Further text chunks of each picture; empty if no picture has any."""
    palette: Sequence[str] = ()
    """The colour of each value, if bytes are values of a model of categories."""
    profile: bytes = b""
    """The colour profile of the picture whose holes were filled; else empty."""

    @classmethod
    def of(
        cls,
        spec: JobSpec,
        rows: Iterable[RowDrawn],
        stage: Stage = Stage.FINAL,
        numerics: str | None = None,
        marked: bool = True,
        result: Summary | None = None,
    ) -> "Canvas":
        """Return the canvas of a job's drawn rows.

        rows: all published rows.
        stage: which rows are shown.
        numerics: the arithmetic that drew them; None if it is unknown.
        marked: True if files shall say that a model made them.
        result: summary of the job, once it has succeeded.
        """
        height, width = _size(spec, stage)
        stride = width * spec.channels
        samples: dict[int, bytearray] = {}
        for row in rows:
            if row.stage is stage:
                pixels = samples.setdefault(row.sample, bytearray(height * stride))
                pixels[row.y * stride : (row.y + 1) * stride] = row.pixel_bytes()
        drawn = {sample: bytes(pixels) for sample, pixels in samples.items()}
        return cls(
            spec.n,
            height,
            width,
            spec.channels,
            drawn,
            origin_of(spec, numerics),
            first=spec.first,
            source=ALL_KINDS[spec.kind].source if marked else None,
            values=spec.values,
            own=own_of(spec, result),
            palette=spec.palette,
        )

    @classmethod
    def of_given(cls, spec: JobSpec, pixels: bytes, stage: Stage) -> "Canvas":
        """Return the canvas of a job's input: pictures of the size of this stage,
        repeated if the job has more samples.

        pixels: as `keys.image` stores them.
        """
        height, width = _size(spec, stage)
        size = height * width * spec.channels
        given = [pixels[i : i + size] for i in range(0, len(pixels), size)]
        # A job of marginals alone has no sample, but a picture.
        n = max(1, spec.n)
        samples = {i: given[i % len(given)] for i in range(n)} if given else {}
        return cls(
            n,
            height,
            width,
            spec.channels,
            samples,
            origin_of(spec),
            values=spec.values,
            palette=spec.palette,
        )

    @classmethod
    def of_mask(cls, spec: JobSpec, keep: bytes) -> "Canvas":
        """Return the canvas of a completion's mask: white for pixels to fill.

        keep: one byte for each pixel, 1 = given.
        """
        return cls(
            1,
            spec.height,
            spec.width,
            1,
            {0: bytes(255 * (1 - given) for given in keep)},
            origin_of(spec),
            values=2,
        )

    @classmethod
    def of_scores(cls, spec: JobSpec, scores: Sequence[Any], heat: bytes) -> "Canvas":
        """Return the canvas of the heat maps of a job's pictures, with their scale as
        text.

        scores: the summary of each picture.
        heat: H*W*3 bytes for each.
        """
        white = f"{scores[0].uniform_bits:g}"
        scale = f"bits per pixel: black 0, white {white} (a uniform guess) and above"
        size = spec.height * spec.width * 3
        own = [{"nats": repr(score.nats)} for score in scores]
        maps = {i: heat[i * size : (i + 1) * size] for i in range(len(scores))}
        return cls(
            len(maps),
            spec.height,
            spec.width,
            3,
            maps,
            {**model_text(spec), "scale": scale},
            own=own,
        )

    @classmethod
    def of_grid(cls, spec: JobSpec, png: bytes, marked: bool) -> "Canvas":
        """Return the canvas of a stored grid of samples.

        png: a file that a trainer wrote.
        """
        with Image.open(io.BytesIO(png)) as found:
            grid = found if found.mode == "L" else found.convert("RGB")
            size = 1, grid.height, grid.width, len(grid.getbands())
            source = ALL_KINDS[spec.kind].source if marked else None
            return cls(*size, {0: grid.tobytes()}, {"model": spec.model}, source=source)

    @classmethod
    def of_marginals(cls, spec: JobSpec, found: MarginalMap) -> "Canvas":
        """Return the canvas of a map of marginals, with its scale as text; the means of
        categories are shown in the palette's colours."""
        if found.of == "mean" and spec.palette:
            likeliest = bytes(
                round(value) for row in found.map for pixel in row for value in pixel
            )
            return cls(
                1,
                spec.height,
                spec.width,
                1,
                {0: likeliest},
                origin_of(spec),
                palette=spec.palette,
            )
        top = found.values - 1 if found.of == "mean" else math.log2(found.values)
        pixels = bytes(
            min(255, round(255 * value / top))
            for row in found.map
            for pixel in row
            for value in pixel
        )
        scale = f"{found.of}: black 0, white {top:g}"
        return cls(
            1,
            spec.height,
            spec.width,
            spec.channels,
            {0: pixels},
            {**origin_of(spec), "scale": scale},
        )


def _size(spec: JobSpec, stage: Stage) -> tuple[int, int]:
    return (
        (spec.small_height, spec.small_width)
        if stage is Stage.SMALL
        else (spec.height, spec.width)
    )


def sample_file(
    canvas: Canvas, sample: int, scale: int, kind: PictureFormat = PictureFormat.PNG
) -> bytes:
    """Return the file of one picture, as an array if that is the format.

    sample: index of the picture.
    scale: side of the square that each pixel becomes.

    Raises BadParameterError if there is no such sample, or the scale or format does not
    fit, and NoRowsYetError if it has no row yet.
    """
    if sample >= canvas.n:
        raise BadParameterError(f"sample: the job has the samples 0 to {canvas.n - 1}")
    if kind is PictureFormat.NPY:
        return _array({0: drawn_pixels(canvas, sample)}, 1, canvas, scale)
    own = canvas.own[sample] if canvas.own else {}
    text = {**canvas.origin, "sample": str(canvas.first + sample), **own}
    return _file(picture_of(canvas, sample), scale, text, kind, canvas)


def grid_file(
    canvas: Canvas, scale: int, kind: PictureFormat = PictureFormat.PNG
) -> bytes:
    """Return the file of all pictures in a grid that is as square as possible, row by
    row with grey lines between them; or the array of all pictures.

    Raises NoRowsYetError if no picture has a row yet, and BadParameterError if the grid
    is too large or the format does not fit.
    """
    if not canvas.samples:
        raise NoRowsYetError("no sample of this job has a row yet")
    if kind is PictureFormat.NPY:
        return _array(canvas.samples, canvas.n, canvas, scale)
    columns, size = _grid(canvas.n, canvas.width, canvas.height)
    between = gap_of(canvas.palette) if canvas.palette else _GAP_GREY
    _expect_side(size, scale)
    grid = Image.new("L", size, between if canvas.n > 1 else 0).convert(
        MODES[canvas.channels]
    )
    for sample in sorted(canvas.samples):
        line, column = divmod(sample, columns)
        grid.paste(
            picture_of(canvas, sample),
            (column * (canvas.width + _GAP), line * (canvas.height + _GAP)),
        )
    text = {
        **canvas.origin,
        **_of_all(canvas.own),
        "sample": str(canvas.first),
        "samples": str(canvas.n),
    }
    return _file(grid, scale, text, kind, canvas)


def _grid(n: int, width: int, height: int) -> tuple[int, tuple[int, int]]:
    """Return the number of columns of a grid, and its size (width, height) in
    pixels."""
    columns = math.ceil(math.sqrt(n))
    lines = math.ceil(n / columns)
    return columns, (columns * (width + _GAP) - _GAP, lines * (height + _GAP) - _GAP)


def expect_side(n: int, width: int, height: int, scale: int) -> None:
    """Raise BadParameterError if a grid of n images of this size would be too large at
    this scale."""
    _expect_side(_grid(n, width, height)[1], scale)


def _expect_side(size: tuple[int, int], scale: int) -> None:
    if max(size) > MAX_SIDE:
        raise BadParameterError(
            f"grid: all pictures together are larger than {MAX_SIDE} pixels: "
            "expected one `sample`"
        )
    if max(size) * scale > MAX_SIDE:
        raise BadParameterError(
            f"scale: at most {MAX_SIDE // max(size)} here (a side of {MAX_SIDE} pixels)"
        )


def picture_of(canvas: Canvas, sample: int) -> Image.Image:
    """Return one picture; for a model of categories, an image of its values (mode L).
    Raises NoRowsYetError if it has no row yet."""
    return Image.frombytes(
        MODES[canvas.channels],
        (canvas.width, canvas.height),
        drawn_pixels(canvas, sample),
    )


def drawn_pixels(canvas: Canvas, sample: int) -> bytes:
    """Return the pixels of one picture, H*W*C bytes. Raises NoRowsYetError if it has no
    row yet."""
    if sample not in canvas.samples:
        raise NoRowsYetError("this sample has no row yet")
    return canvas.samples[sample]


def _array(
    samples: Mapping[int, bytes], count: int, canvas: Canvas, scale: int
) -> bytes:
    if scale != 1:
        raise BadParameterError("scale: an array has each pixel once; expected 1")
    if not canvas.values:
        raise BadParameterError(
            "format: this picture is no image of the model's values: "
            "expected png, webp or jpeg"
        )
    shape = Shape(
        canvas.height, canvas.width, canvas.channels, canvas.values, canvas.palette
    )
    return array_file(samples, count, shape)


def own_of(spec: JobSpec, result: Summary | None = None) -> Sequence[Mapping[str, str]]:
    """Return further text chunks of each sample; empty if no sample has any.

    result: summary of the job, once it has succeeded.
    """
    own = [
        {
            **spec.options.origin_of(sample),
            **(result.origin_of(sample) if result else {}),
        }
        for sample in range(spec.n)
    ]
    return own if any(own) else ()


def _of_all(own: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Return the text chunks of several samples: as they are if they are all the same,
    else as JSON lists under the plural of the keyword."""
    if len({json.dumps(facts) for facts in own}) <= 1:
        return own[0] if own else {}
    return {f"{name}s": json.dumps([facts[name] for facts in own]) for name in own[0]}


def _file(
    image: Image.Image,
    scale: int,
    text: Mapping[str, str],
    kind: PictureFormat,
    canvas: Canvas,
) -> bytes:
    _expect_side(image.size, scale)
    if kind is PictureFormat.JPEG:
        _expect_kept_by_jpeg(image, canvas)

    options = dict(_OPTIONS[kind])
    if canvas.profile:
        options["icc_profile"] = canvas.profile
    return picture_bytes(
        image, kind.value, scale, text, canvas.source, canvas.palette, **options
    )


def _expect_kept_by_jpeg(image: Image.Image, canvas: Canvas) -> None:
    """Raise BadParameterError if JPEG cannot represent the picture."""
    lost = ""
    if canvas.palette:
        lost = "the colours of a palette"
    elif image.mode in ("LA", "RGBA"):
        lost = "transparency"
    if lost:
        raise BadParameterError(
            f"format: JPEG does not keep {lost}; expected png or webp"
        )
