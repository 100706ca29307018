"""Holes in a larger picture: the cut-outs around them that a job fills, and the picture with what was drawn put in."""

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
from app.imaging.arrays import Shape, in_values
from app.imaging.decode import decode
from app.imaging.given import (
    Files,
    GivenPixels,
    cut,
    found_of_hole,
    hole_of_alpha,
    in_colours_of,
    opaque,
    together,
)
from app.imaging.palette import has_transparent, indexed
from app.imaging.render import Canvas, picture_of
from app.schema.answers import Model
from app.schema.job_options import Taking
from worker.contract.jobs import JobSpec
from worker.contract.kind import MAX_IMAGES
from worker.contract.size import MAX_SIDE

APART = 4
"""Pixels. Holes whose boxes are nearer than that in both directions are one hole; and a cut-out is at least so much
wider and higher than its hole."""
_MOST_BOXES = 16 * MAX_IMAGES
"""More boxes than this are not looked at: they would hardly become few enough."""

Box = tuple[int, int, int, int]
"""Left, upper, right and lower edge, the last two being the first pixels outside."""


def cutouts_of(files: Files, model: Model, taking: Taking) -> GivenPixels:
    """Cut the one picture around its holes, in reading order: what is given to each cut-out of the model's size.
    `found["cutouts"]` has their places.

    Raises what `decode` raises, BadParameterError, UnusableImageError, WrongSizeError and NothingToFillError.
    """
    if len(files["image"]) > 1 or len(files.get("mask", ())) > 1:
        raise BadParameterError(
            "fit: expected one picture, and one mask or none, with crop", field="fit"
        )
    shape, upload = Shape.of(model), files["image"][0]
    picture = _picture_of(upload, shape)
    hole = _hole_of(picture, files.get("mask"), shape)
    missing, places, parts = hole.copy(), list[tuple[int, ...]](), list[GivenPixels]()
    for box in boxes_of(hole, shape):
        middle = ((box[i] + box[i + 2] - shape.size[i]) // 2 for i in (0, 1))
        x, y = (
            max(0, min(at, picture.size[i] - shape.size[i]))
            for i, at in enumerate(middle)
        )
        window = (x, y, x + shape.width, y + shape.height)
        try:
            parts.append(
                _given(
                    picture.crop(window),
                    hole.crop(window),
                    missing.crop(window),
                    shape,
                    taking,
                    model,
                )
            )
        except UnusableImageError as error:
            raise UnusableImageError(f"in the cut-out at ({x}, {y}): {error}") from None
        places.append((x, y))
        missing.paste(0, box)  # the next ones are given what it is filled with
    given, moved = (
        together(parts, shape),
        sum(part.found["moved_pixels"] for part in parts),
    )
    return replace(
        given,
        found={**given.found, "moved_pixels": moved, "cutouts": tuple(places)},
        upload=upload,
    )


def _picture_of(upload: bytes, shape: Shape) -> Image.Image:
    decoded = decode(upload, "image")
    width, height = decoded.image.size
    if decoded.has_more_bits:
        raise UnusableImageError(
            "the image has more than 8 bits a colour: expected 8, or fit=crop would lose some"
        )
    if not (shape.width <= width <= MAX_SIDE and shape.height <= height <= MAX_SIDE):
        least = f"{shape.width}x{shape.height}, the model's own, or more"
        raise WrongSizeError(
            f"the image is {width}x{height}, expected {least}, and {MAX_SIDE} a side at most"
        )
    return decoded.image


def _hole_of(
    picture: Image.Image, masks: Sequence[bytes] | None, shape: Shape
) -> Image.Image:
    """255 where the picture is to be filled, and 0 elsewhere."""
    if not masks and has_transparent(shape.palette):
        raise NothingToFillError(
            "expected a mask: what is transparent is one of the model's colours, and no hole"
        )
    hole = (
        cut(opaque(decode(masks[0], "mask").image, channels=1), 0, 255)
        if masks
        else hole_of_alpha(picture)
    )
    if hole.size != picture.size:
        (width, height), (expected, high) = hole.size, picture.size
        raise WrongSizeError(
            f"the mask is {width}x{height}, expected {expected}x{high} as the image is"
        )
    if not hole.getbbox():
        raise NothingToFillError(
            "the mask has no pixel of 128 or above; white is what gets filled"
        )
    return hole


def boxes_of(hole: Image.Image, shape: Shape) -> list[Box]:
    """The boxes of the holes in reading order, none of them near another. WrongSizeError for one that leaves too little
    of a cut-out of this shape, and for too many.

    A box grows until nothing is near it any more: holes that are near each other share one.
    """
    left, boxes = bytearray(hole.tobytes()), list[Box]()
    most = max(0, shape.width - APART), max(0, shape.height - APART)
    while (at := left.find(255)) >= 0 and len(boxes) <= _MOST_BOXES:
        y, x = divmod(at, hole.width)
        box = (x, y, x + 1, y + 1)
        while (grown := _grown(box, hole, boxes)) != box:
            box = grown
            if box[2] - box[0] > most[0] or box[3] - box[1] > most[1]:
                raise WrongSizeError(
                    f"the hole at x={box[0]}, y={box[1]} is larger than {most[0]}x{most[1]} pixels (width x height), "
                    f"the most that this model fills. Holes less than {APART} pixels apart count as one. Make it "
                    "smaller, or take a model of larger pictures"
                )
        boxes = [*(other for other in boxes if not _overlap(box, other)), box]
        for start in range(box[1] * hole.width, box[3] * hole.width, hole.width):
            left[start + box[0] : start + box[2]] = bytes(box[2] - box[0])
    if len(boxes) > MAX_IMAGES:
        raise WrongSizeError(
            f"the picture has more holes than {MAX_IMAGES}, the most that are taken"
        )
    return sorted(boxes, key=lambda box: (box[1], box[0]))


def _grown(box: Box, hole: Image.Image, boxes: Sequence[Box]) -> Box:
    """The box around it and everything near it."""
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
    taking: Taking,
    model: Model,
) -> GivenPixels:
    """Cut out what a hole is given. missing: the part of it that no earlier cut-out fills; what those fill is put
    in when it is drawn."""
    keep, known = cut(missing, 1, 0), cut(hole, 1, 0).tobytes()
    given = in_colours_of(shape, part, taking, known)
    found = found_of_hole(keep, model)
    moved = given.found or _moved(part, given.pixels, known, shape)
    return GivenPixels(given.pixels, keep.tobytes(), {**found, **moved})


def _moved(
    part: Image.Image, pixels: bytes, known: bytes, shape: Shape
) -> dict[str, float]:
    """How many given pixels are of colours that the model cannot say, and how far the farthest of them moves."""
    said = Image.frombytes(
        "L" if shape.channels == 1 else "RGB",
        shape.size,
        in_values(pixels, shape.values),
    )
    before, after = (image.convert("RGBA").tobytes() for image in (part, said))
    moves = (
        math.dist(before[4 * i : 4 * i + 4], after[4 * i : 4 * i + 4])
        for i in range(len(known))
        if known[i]
    )
    far = [distance for distance in moves if distance]
    return {"moved_pixels": len(far), "moved_distance": round(max(far, default=0.0), 1)}


def filled_canvas(spec: JobSpec, upload: bytes, keep: bytes, parts: Canvas) -> Canvas:
    """The whole picture, as often as it is drawn. parts: what is drawn of its cut-outs; keep: what is given of them."""
    picture, count = decode(upload, "image").image, len(spec.options.places)
    size, profile = (
        (picture.height, picture.width),
        picture.info.get("icc_profile") or b"",
    )
    filled = _Filled(picture, spec, keep, parts)
    own = [{"sample": str(spec.first + i)} for i in range(0, spec.n, count)]
    shown = Canvas(
        spec.images,
        *size,
        len(picture.getbands()),
        filled,
        parts.origin,
        source=parts.source,
        own=own,
    )
    return replace(shown, profile=profile)


class _Filled(dict[int, bytes]):
    """The pixels of each picture, made when they are asked for: many large ones would take much memory."""

    def __init__(
        self, picture: Image.Image, spec: JobSpec, keep: bytes, parts: Canvas
    ) -> None:
        super().__init__({i // len(spec.options.places): b"" for i in parts.samples})
        self._picture, self._places, self._keep, self._parts = (
            picture,
            spec.options.places,
            keep,
            parts,
        )

    def __getitem__(self, sample: int) -> bytes:
        """Paste the cut-outs in their order: what one drew of a later hole is covered by that hole's own."""
        parts, image, count = self._parts, self._picture.copy(), len(self._places)
        size = parts.width * parts.height
        for k, place in enumerate(self._places, start=sample * count):
            if k in parts.samples:
                drawn, kept = (
                    picture_of(parts, k),
                    self._keep[k * size : (k + 1) * size],
                )
                shown = (
                    indexed(drawn, parts.palette).convert("RGBA")
                    if parts.palette
                    else drawn
                )
                hole = Image.frombytes(
                    "L", drawn.size, kept.translate(b"\xff" + bytes(255))
                )
                image.paste(shown.convert(image.mode), place, hole)
        return image.tobytes()
