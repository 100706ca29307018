"""Holes in a picture larger than the model's: the cut-outs around them that a job
fills, and the picture with the drawn pixels inserted."""

import math
from collections.abc import Sequence
from dataclasses import replace

from PIL import Image

from app.errors import (
    BadParameterError,
    NothingToFillError,
    UnusableImageError,
    WrongSizeError,
)
from app.imaging.arrays import Shape, quantise_pixels
from app.imaging.decode import decode
from app.imaging.given import (
    Files,
    GivenPixels,
    PictureTerms,
    combine,
    found_of_hole,
    hole_of_alpha,
    in_colours_of,
    opaque,
    threshold,
)
from app.imaging.palette import has_transparent
from app.imaging.render import Canvas, picture_of
from app.schema.answers import Model
from worker.contract.jobs import JobSpec
from worker.contract.options import MAX_IMAGES
from worker.contract.picture_file import with_palette
from worker.contract.size import MAX_SIDE

APART = 4
"""Pixels. Holes whose boxes are nearer than this in both directions count as one hole,
and a cut-out is at least this much wider and higher than its hole."""
_MOST_BOXES = 16 * MAX_IMAGES
"""Search for holes ends after this many boxes: they would hardly merge into few
enough."""

Box = tuple[int, int, int, int]
"""Left, upper, right and lower edge; the last two are the first pixels outside."""


def cutouts_of(files: Files, model: Model, terms: PictureTerms) -> GivenPixels:
    """Cut the one picture of a request around its holes, and return the input of all
    cut-outs, in reading order.

    `found["cutouts"]` of the result has the left and upper edge of each cut-out, and
    `upload` the picture's file. A picture without a hole, or one that cannot be used,
    raises a RefusedError.
    """
    if len(files["image"]) > 1 or len(files.get("mask", ())) > 1:
        raise BadParameterError(
            "fit: expected one picture, and one mask or none, with crop", field="fit"
        )
    shape = Shape.of(model)
    upload = files["image"][0]
    picture = _picture_of(upload, shape)
    hole = _hole_of(picture, files.get("mask"), shape)

    missing = hole.copy()
    places: list[tuple[int, ...]] = []
    parts: list[GivenPixels] = []
    for box in boxes_of(hole, shape):
        x, y = _place_around(box, picture, shape)
        window = (x, y, x + shape.width, y + shape.height)
        part = picture.crop(window)
        part_hole = hole.crop(window)
        part_missing = missing.crop(window)
        try:
            parts.append(_given(part, part_hole, part_missing, shape, terms, model))
        except UnusableImageError as error:
            raise UnusableImageError(f"in the cut-out at ({x}, {y}): {error}") from None
        places.append((x, y))
        # Later cut-outs are given the pixels with which this one is filled.
        missing.paste(0, box)

    given = combine(parts, shape)
    moved = sum(part.found["moved_pixels"] for part in parts)
    found = {**given.found, "moved_pixels": moved, "cutouts": tuple(places)}
    return replace(given, found=found, upload=upload)


def _place_around(box: Box, picture: Image.Image, shape: Shape) -> tuple[int, int]:
    """Return left and upper edge of a cut-out with the box in its middle, as far as the
    picture's edges allow."""
    x = (box[0] + box[2] - shape.width) // 2
    y = (box[1] + box[3] - shape.height) // 2
    return (
        max(0, min(x, picture.width - shape.width)),
        max(0, min(y, picture.height - shape.height)),
    )


def _picture_of(upload: bytes, shape: Shape) -> Image.Image:
    """Decode the picture, which must have 8 bits per colour and a side of at most
    MAX_SIDE."""
    decoded = decode(upload, "image")
    width, height = decoded.image.size
    if decoded.has_more_bits:
        raise UnusableImageError(
            "the image has more than 8 bits a colour: expected 8, "
            "because fit=crop would lose some"
        )
    if not (shape.width <= width <= MAX_SIDE and shape.height <= height <= MAX_SIDE):
        least = f"{shape.width}x{shape.height}, the model's own, or more"
        raise WrongSizeError(
            f"the image is {width}x{height}: expected {least}, "
            f"and at most {MAX_SIDE} a side"
        )
    return decoded.image


def _hole_of(
    picture: Image.Image, masks: Sequence[bytes] | None, shape: Shape
) -> Image.Image:
    """Return an image of mode L: 255 for pixels to fill, else 0."""
    if not masks and has_transparent(shape.palette):
        raise NothingToFillError(
            "expected a mask: what is transparent is one of the model's colours, "
            "and no hole"
        )
    if masks:
        mask = opaque(decode(masks[0], "mask").image, channels=1)
        hole = threshold(mask, 0, 255)
    else:
        hole = hole_of_alpha(picture)
    if hole.size != picture.size:
        (width, height), (expected, high) = hole.size, picture.size
        raise WrongSizeError(
            f"the mask is {width}x{height}: expected {expected}x{high}, like the image"
        )
    if not hole.getbbox():
        raise NothingToFillError(
            "the mask has no pixel of 128 or above; white is what gets filled"
        )
    return hole


def boxes_of(hole: Image.Image, shape: Shape) -> list[Box]:
    """Return the boxes around the holes, in reading order. Holes that are nearer than
    APART share a box.

    hole: mode L, 255 = fill.
    shape: of a cut-out.

    Raises WrongSizeError for a box that leaves too little of a cut-out, and for more
    than MAX_IMAGES boxes.
    """
    left = bytearray(hole.tobytes())
    boxes: list[Box] = []
    most = max(0, shape.width - APART), max(0, shape.height - APART)
    while (at := left.find(255)) >= 0 and len(boxes) <= _MOST_BOXES:
        y, x = divmod(at, hole.width)
        box = (x, y, x + 1, y + 1)
        while (grown := _grown(box, hole, boxes)) != box:
            box = grown
            if box[2] - box[0] > most[0] or box[3] - box[1] > most[1]:
                raise WrongSizeError(
                    f"the hole at x={box[0]}, y={box[1]} is larger than "
                    f"{most[0]}x{most[1]} pixels (width x height), the most that this "
                    f"model fills. Holes less than {APART} pixels apart count as one. "
                    "Make it smaller, or take a model of larger pictures"
                )
        boxes = [*(other for other in boxes if not _overlap(box, other)), box]
        for start in range(box[1] * hole.width, box[3] * hole.width, hole.width):
            left[start + box[0] : start + box[2]] = bytes(box[2] - box[0])
    if len(boxes) > MAX_IMAGES:
        raise WrongSizeError(
            f"the picture has too many holes: expected at most {MAX_IMAGES}"
        )
    return sorted(boxes, key=lambda box: (box[1], box[0]))


def _grown(box: Box, hole: Image.Image, boxes: Sequence[Box]) -> Box:
    """Return the box around this one, hole pixels near it and boxes near it."""
    x, y, right, bottom = around = (
        box[0] - APART,
        box[1] - APART,
        box[2] + APART,
        box[3] + APART,
    )
    found = hole.crop(around).getbbox() or (0, 0, right - x, bottom - y)
    near = [other for other in boxes if _overlap(around, other)]
    lefts, tops, rights, bottoms = zip(
        box,
        (x + found[0], y + found[1], x + found[2], y + found[3]),
        *near,
        strict=True,
    )
    return min(lefts), min(tops), max(rights), max(bottoms)


def _overlap(one: Box, other: Box) -> bool:
    return (
        one[0] < other[2]
        and other[0] < one[2]
        and one[1] < other[3]
        and other[1] < one[3]
    )


def _given(
    part: Image.Image,
    hole: Image.Image,
    missing: Image.Image,
    shape: Shape,
    terms: PictureTerms,
    model: Model,
) -> GivenPixels:
    """Return the input of one cut-out.

    hole: all pixels to fill.
    missing: those that no earlier cut-out fills; pixels of earlier ones are inserted
        when they are drawn.
    """
    keep = threshold(missing, 1, 0)
    known = threshold(hole, 1, 0).tobytes()
    given = in_colours_of(shape, part, terms, known)
    found = found_of_hole(keep, model)
    moved = given.found or _moved(part, given.pixels, known, shape)
    return GivenPixels(given.pixels, keep.tobytes(), {**found, **moved})


def _moved(
    part: Image.Image, pixels: bytes, known: bytes, shape: Shape
) -> dict[str, float]:
    """Return how many given pixels have a colour that the model cannot represent, and
    by how much the farthest one moves."""
    quantised = Image.frombytes(
        "L" if shape.channels == 1 else "RGB",
        shape.size,
        quantise_pixels(pixels, shape.values),
    )
    before = part.convert("RGBA").tobytes()
    after = quantised.convert("RGBA").tobytes()
    moves = (
        math.dist(before[4 * i : 4 * i + 4], after[4 * i : 4 * i + 4])
        for i in range(len(known))
        if known[i]
    )
    far = [distance for distance in moves if distance]
    return {"moved_pixels": len(far), "moved_distance": round(max(far, default=0.0), 1)}


def filled_canvas(spec: JobSpec, upload: bytes, keep: bytes, parts: Canvas) -> Canvas:
    """Return a canvas of the whole uploaded picture with the drawn cut-outs pasted into
    its holes. Its samples are the completions of the picture.

    upload: the picture's file.
    keep: masks of the cut-outs, H*W bytes each, 1 = given.
    parts: the cut-outs, as far as they are drawn.
    """
    picture = decode(upload, "image").image
    count = len(spec.options.places)
    size = picture.height, picture.width
    profile = picture.info.get("icc_profile") or b""
    filled = _FilledPictures(picture, spec, keep, parts)
    own = [{"sample": str(spec.first + i)} for i in range(0, spec.n, count)]
    shown = Canvas(
        spec.images,
        *size,
        len(picture.getbands()),
        filled,
        parts.origin,
        first=spec.first,
        source=parts.source,
        own=own,
    )
    return replace(shown, profile=profile)


class _FilledPictures(dict[int, bytes]):
    """Index of a filled picture -> its pixels, made on access: many large pictures
    would take much memory."""

    def __init__(
        self, picture: Image.Image, spec: JobSpec, keep: bytes, parts: Canvas
    ) -> None:
        super().__init__({i // len(spec.options.places): b"" for i in parts.samples})
        self._picture = picture
        self._places = spec.options.places
        self._keep = keep
        self._parts = parts

    def __getitem__(self, sample: int) -> bytes:
        """Paste the cut-outs in their order: pixels that one drew of a later hole are
        covered by that hole's own cut-out."""
        parts = self._parts
        image = self._picture.copy()
        size = parts.width * parts.height
        first = sample * len(self._places)
        for k, place in enumerate(self._places, start=first):
            if k not in parts.samples:
                continue
            drawn = picture_of(parts, k)
            if parts.palette:
                drawn = with_palette(drawn, parts.palette).convert("RGBA")
            keep = self._keep[k * size : (k + 1) * size]
            # 255 for pixels that are not given, else 0.
            alpha = keep.translate(b"\xff" + bytes(255))
            hole = Image.frombytes("L", drawn.size, alpha)
            image.paste(drawn.convert(image.mode), place, hole)
        return image.tobytes()
