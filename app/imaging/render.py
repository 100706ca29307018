"""Pictures as files: what a job has drawn (rows not drawn yet are black), or where a score's bits are."""

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from app.errors import BadParameterError, NoRowsYetError
from app.imaging.arrays import Shape, array_file
from app.imaging.npy import MEDIA_TYPE as NPY_TYPE
from app.imaging.palette import gap_of, indexed
from app.schema.answers import MarginalMap
from worker.contract.events import RowDrawn, Stage
from worker.contract.jobs import JobSpec
from worker.contract.kind import Source, Summary
from worker.contract.kinds import ALL_KINDS

MAX_SIDE = 4096
MAX_SCALE = 128
_MODES = {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}
_GAP = 1
_GAP_GREY = 128
"""Grey of the lines between images, the same as in the command's grids (model_core.data.images.tile)."""
PNG_KEYWORD = "XML:com.adobe.xmp"
"""Keyword of the PNG chunk (iTXt) that holds an XMP packet."""
# Says in IPTC's terms how a picture came to be.
_PACKET = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">\
<rdf:Description rdf:about="" xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">\
<Iptc4xmpExt:DigitalSourceType>http://cv.iptc.org/newscodes/digitalsourcetype/{term}</Iptc4xmpExt:DigitalSourceType>\
</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="r"?>"""


class PictureFormat(StrEnum):
    """A PNG also says how it was drawn; WebP is without loss, JPEG is not. All have the mark of their source, but for
    an array, which has the model's values and nothing else."""

    PNG = "png"
    WEBP = "webp"
    JPEG = "jpeg"
    NPY = "npy"

    @property
    def media_type(self) -> str:
        return NPY_TYPE if self is PictureFormat.NPY else f"image/{self.value}"


_OPTIONS: Mapping[PictureFormat, Mapping[str, Any]] = {
    PictureFormat.PNG: {},
    PictureFormat.WEBP: {"lossless": True},
    PictureFormat.JPEG: {"quality": 95, "subsampling": 0},
}


@dataclass(frozen=True)
class Canvas:
    """Pictures of one size: `n` samples, each height * width * channels bytes as far as it is drawn; samples without a
    row are not in it. `origin` is what it takes to get the same pictures again."""

    n: int
    height: int
    width: int
    channels: int
    samples: Mapping[int, bytes]
    origin: Mapping[str, str]
    first: int = 0
    """Number of sample 0 among the images of the seed."""
    source: Source | None = None
    """The mark in their files; None: they have none."""
    values: int = 0
    """How many values a colour takes; 0: that is not known, or they are maps."""
    own: Sequence[Mapping[str, str]] = ()
    """Further facts of each sample that it takes to get it again; empty where there are none of any."""
    palette: Sequence[str] = ()
    """The colours of the bytes of samples, where these are values of a model of categories."""
    profile: bytes = b""
    """The colour profile of the picture whose holes were filled."""

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
        """The rows of one stage. numerics: with which they were drawn, and result: what is known of them, where that is
        known. marked: their files say that a program made them."""
        height, width = _size(spec, stage)
        stride = width * spec.channels
        samples: dict[int, bytearray] = {}
        for row in rows:
            if row.stage is stage:
                pixels = samples.setdefault(row.sample, bytearray(height * stride))
                pixels[row.y * stride : (row.y + 1) * stride] = row.pixel_bytes()
        drawn = {sample: bytes(pixels) for sample, pixels in samples.items()}
        source, origin = (
            ALL_KINDS[spec.kind].source if marked else None,
            origin_of(spec, numerics),
        )
        own = own_of(spec, result)
        return cls(
            spec.n,
            height,
            width,
            spec.channels,
            drawn,
            origin,
            spec.first,
            source,
            spec.values,
            own,
            spec.palette,
        )

    @classmethod
    def of_given(cls, spec: JobSpec, pixels: bytes, stage: Stage) -> "Canvas":
        """The given picture: the small image that every sample of an upsampling begins with, the whole of the final
        one, or all of an encoding's pictures."""
        height, width = _size(spec, stage)
        size = height * width * spec.channels
        given = [pixels[i : i + size] for i in range(0, len(pixels), size)]
        samples = {i: given[i % len(given)] for i in range(spec.n)} if given else {}
        named = {"values": spec.values, "palette": spec.palette}
        return cls(
            spec.n, height, width, spec.channels, samples, origin_of(spec), **named
        )

    @classmethod
    def of_mask(cls, spec: JobSpec, keep: bytes) -> "Canvas":
        """White where a completion fills: `keep` has 1 where a pixel is given."""
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
        """A heat map of H*W*3 bytes of each picture, with their scale."""
        scale = f"bits per pixel: black 0, white {scores[0].uniform_bits:g} (a uniform guess) and above"
        size, own = (
            spec.height * spec.width * 3,
            [{"nats": repr(score.nats)} for score in scores],
        )
        maps = {i: heat[i * size : (i + 1) * size] for i in range(len(scores))}
        return cls(
            len(maps),
            spec.height,
            spec.width,
            3,
            maps,
            {**_named(spec), "scale": scale},
            own=own,
        )

    @classmethod
    def of_grid(cls, spec: JobSpec, png: bytes, marked: bool) -> "Canvas":
        """A grid of samples as it is kept, which a trainer wrote."""
        with Image.open(io.BytesIO(png)) as found:
            grid = found if found.mode == "L" else found.convert("RGB")
            size = 1, grid.height, grid.width, len(grid.getbands())
            source = ALL_KINDS[spec.kind].source if marked else None
            return cls(*size, {0: grid.tobytes()}, {"model": spec.model}, source=source)

    @classmethod
    def of_marginals(cls, spec: JobSpec, found: MarginalMap) -> "Canvas":
        """A map of what was expected, with its scale; of categories the likeliest as they are."""
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
    """One sample, each pixel a square of `scale`, or an array of one. Raises BadParameterError, NoRowsYetError."""
    if sample >= canvas.n:
        raise BadParameterError(f"sample: the job has the samples 0 to {canvas.n - 1}")
    if kind is PictureFormat.NPY:
        return _array({0: _drawn(canvas, sample)}, 1, canvas, scale)
    own = canvas.own[sample] if canvas.own else {}
    text = {**canvas.origin, "sample": str(canvas.first + sample), **own}
    return _file(picture_of(canvas, sample), scale, text, kind, canvas)


def grid_file(
    canvas: Canvas, scale: int, kind: PictureFormat = PictureFormat.PNG
) -> bytes:
    """All samples in a grid as square as can be, row by row, one pixel of grey between them; or the array of all."""
    if not canvas.samples:
        raise NoRowsYetError("no sample of this job has a row yet")
    if kind is PictureFormat.NPY:
        return _array(canvas.samples, canvas.n, canvas, scale)
    columns, size = _grid(canvas.n, canvas.width, canvas.height)
    between = gap_of(canvas.palette) if canvas.palette else _GAP_GREY
    _expect_side(size, scale)
    grid = Image.new("L", size, between if canvas.n > 1 else 0).convert(
        _MODES[canvas.channels]
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
    """Columns of a grid, and its width and height."""
    columns = math.ceil(math.sqrt(n))
    lines = math.ceil(n / columns)
    return columns, (columns * (width + _GAP) - _GAP, lines * (height + _GAP) - _GAP)


def expect_side(n: int, width: int, height: int, scale: int) -> None:
    """BadParameterError where the grid of so many images would be too large, before they are drawn."""
    _expect_side(_grid(n, width, height)[1], scale)


def _expect_side(size: tuple[int, int], scale: int) -> None:
    if max(size) > MAX_SIDE:
        raise BadParameterError(
            f"grid: all pictures together are larger than {MAX_SIDE} pixels; expected one `sample`"
        )
    if max(size) * scale > MAX_SIDE:
        raise BadParameterError(
            f"scale: at most {MAX_SIDE // max(size)} here (a side of {MAX_SIDE} pixels)"
        )


def picture_of(canvas: Canvas, sample: int) -> Image.Image:
    """One sample, of a model of categories its values."""
    return Image.frombytes(
        _MODES[canvas.channels], (canvas.width, canvas.height), _drawn(canvas, sample)
    )


def _drawn(canvas: Canvas, sample: int) -> bytes:
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
            "format: this picture is no image of the model's values; expected png, webp or jpeg"
        )
    shape = Shape(
        canvas.height, canvas.width, canvas.channels, canvas.values, canvas.palette
    )
    return array_file(samples, count, shape)


def origin_of(spec: JobSpec, numerics: str | None = None) -> dict[str, str]:
    """Everything that is needed to draw the same picture again; worker.contract.provenance reads it."""
    origin = {
        "kind": spec.kind,
        **_named(spec),
        "seed": str(spec.seed),
        "temperature": repr(spec.temperature),
    }
    origin |= spec.options.origin()
    return origin if numerics is None else {**origin, "numerics": numerics}


def _named(spec: JobSpec) -> dict[str, str]:
    """The model, in a picture's text; jobs of an earlier version name no identity."""
    identity = {"identity": spec.identity} if spec.identity else {}
    return {"model": spec.model, "digest": spec.digest, **identity}


def own_of(spec: JobSpec, result: Summary | None = None) -> Sequence[Mapping[str, str]]:
    """The same of each sample by itself; empty where there is nothing more to say of any."""
    own = [
        {
            **spec.options.origin_of(sample),
            **(result.origin_of(sample) if result else {}),
        }
        for sample in range(spec.n)
    ]
    return own if any(own) else ()


def _of_all(own: Sequence[Mapping[str, str]]) -> Mapping[str, str]:
    """Facts of several samples: once where they are the same, else those of each, as a list."""
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
    lost = (
        "the colours of a palette"
        if canvas.palette
        else image.mode in ("LA", "RGBA") and "transparency"
    )
    if lost and kind is PictureFormat.JPEG:
        raise BadParameterError(
            f"format: JPEG does not keep {lost}; expected png or webp"
        )
    width, height = image.width * scale, image.height * scale
    mark = "" if canvas.source is None else packet_of(canvas.source)
    said = (
        {"pnginfo": chunks(text, mark)}
        if kind is PictureFormat.PNG
        else {"xmp": mark.encode()}
        if mark
        else {}
    )
    out = io.BytesIO()
    large = image.resize((width, height), Image.Resampling.NEAREST)
    how = {**_OPTIONS[kind], **said, **({"bits": 8} if canvas.palette else {})}
    how |= {"icc_profile": canvas.profile} if canvas.profile else {}
    (indexed(large, canvas.palette) if canvas.palette else large).save(
        out, kind.value, **how
    )
    return out.getvalue()


def chunks(text: Mapping[str, str], mark: str) -> PngInfo:
    """The words of a PNG by their keywords, and its mark, if there is one."""
    said = PngInfo()
    for key, value in text.items():
        said.add_text(key, value)
    if mark:
        said.add_itxt(PNG_KEYWORD, mark)
    return said


def packet_of(source: Source) -> str:
    """Return the XMP packet that marks a picture's file: how it came to be, as one of
    IPTC's digital source types. It is the same in all file formats."""
    return _PACKET.format(term=source.value)
