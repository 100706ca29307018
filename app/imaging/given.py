"""The pictures that clients give: what a completion keeps and fills, and whole ones to upsample, score or encode.

White (128 and above) in the mask = fill, black = keep. Without a mask, pixels whose alpha is below 128 are filled.
What is transparent lies on black for a model of greys and in masks, on white for one of colours. A file may be an array
of values instead (arrays.py).
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image, ImageChops

from app.errors import (
    BadParameterError,
    NotExactError,
    NothingToFillError,
    NotVerifiableError,
    RefusedError,
    TooLargeError,
    UnusableImageError,
    WrongSizeError,
)
from app.imaging.arrays import Shape, count_of, pictures_of
from app.imaging.decode import MAX_PIXELS, Decoded, Role, decode
from app.imaging.palette import has_transparent, taken
from app.schema.answers import Model
from app.schema.job_options import Taking
from worker.contract.kind import Input
from worker.contract.kinds.complete import has_few_fillings

Files = dict[str, list[bytes]]
"""The files of a request, by field: none where an optional one was left out, several where a call takes them."""

_STRIP = 256
"""Rows of a picture that are made opaque at once."""

ALPHA_MASK = "alpha-mask"
"""The field of a mask as OpenAI's clients send it: what is transparent is filled."""


@dataclass(frozen=True)
class GivenPixels:
    """`pixels`: H*W*C bytes, row by row, pixel by pixel, colour by colour; of several pictures one after the other; or
    the file that holds them. `keep`: H*W bytes, 1 = given, 0 = fill; empty where the whole picture is given."""

    pixels: bytes
    keep: bytes = b""
    found: Mapping[str, Any] = field(default_factory=dict)
    """Options of the job that the pictures decide."""
    upload: bytes = b""
    """The file of a larger picture, whose cut-outs the pixels are."""


def given_behind_hole(keep: Image.Image, members: Iterable[str]) -> int:
    """Given pixels behind the hole's first one, in the order of the member that has the most; members: their
    orientations. Where there are none, images are drawn without particles."""
    known = [
        name.upper()
        for name in members
        if name == "none" or name.upper() in Image.Transpose.__members__
    ]
    turned = [
        keep if name == "NONE" else keep.transpose(Image.Transpose[name])
        for name in known
    ]
    return max(_given_after_the_first(each.tobytes()) for each in turned or [keep])


def _given_after_the_first(keep: bytes) -> int:
    """Pixels that are given after the first that is not."""
    first = keep.find(0)
    return 0 if first < 0 else len(keep) - first - keep.count(0, first)


def read_given(
    wanted: Input, files: Files, model: Model, taking: Taking, count: int = 1
) -> GivenPixels:
    """Everything that the files of a request give to a job. count: how many pictures they hold, of a kind that takes
    each for itself.

    Raises what `pictures_of` raises, WrongSizeError, NothingToFillError, NotVerifiableError and NotExactError.
    """
    if wanted is Input.CODED_FILE:
        return GivenPixels(files["file"][0])
    shape = Shape.of(model)
    if wanted is Input.SMALL_PICTURE:
        shape = replace(shape, height=model.small_height, width=model.small_width)
    may_have_holes = wanted in (Input.PICTURE_AND_KEEP, Input.PICTURE_OR_PART)
    images = (
        each
        for data in files["image"]
        for each in pictures_of(data, "image", shape, may_have_holes)
    )
    if wanted is Input.PICTURES:
        return together(
            [_exact(shape, image, i, taking) for i, image in enumerate(images)], shape
        )
    if wanted in (Input.PICTURE, Input.PICTURE_AND_KEEP, Input.PICTURE_OR_PART):
        return together(
            list(_of_each(wanted, images, count, files, shape, taking, model)), shape
        )
    image = _only(images).image
    if wanted is Input.DRAWN_PICTURE:
        return GivenPixels(_as_drawn(shape, image))
    return in_colours_of(shape, image, taking)


def _only(pictures: Iterator[Decoded]) -> Decoded:
    """The picture, where only an array could hold several."""
    picture = next(pictures)
    if next(pictures, None) is not None:
        raise WrongSizeError("the array holds several pictures: this call takes one")
    return picture


def _exact(shape: Shape, picture: Decoded, number: int, taking: Taking) -> GivenPixels:
    """A picture of the model's size and kind of colours, which holds nothing that its pixels here do not."""
    image = picture.image
    if image.size != shape.size:
        raise WrongSizeError(
            f"image {number}, counted from 0, is {image.width}x{image.height} (width x height), expected "
            f"{shape.width}x{shape.height}"
        )
    if shape.palette and not picture.has_more_bits:
        with naming_picture(number, 2):
            return in_colours_of(shape, image, replace(taking, resize=False))
    shown = opaque(image, shape.channels)
    if (
        picture.has_more_bits
        or shown.convert("RGBA").tobytes() != image.convert("RGBA").tobytes()
    ):
        colours = "grey" if shape.channels == 1 else "RGB"
        raise NotExactError(
            f"image {number}, counted from 0, would not come back as it is: expected {colours}, 8 bits a colour, not "
            "transparent"
        )
    return GivenPixels(shown.tobytes())


def _as_drawn(shape: Shape, image: Image.Image) -> bytes:
    """The pixels of a picture of ours in which each may be a square."""
    scale = image.width // shape.width
    if not scale or image.size != (scale * shape.width, scale * shape.height):
        raise WrongSizeError(
            f"the image is {image.width}x{image.height} (width x height), expected {shape.width}x{shape.height} or a "
            "multiple of that, as it was written"
        )
    if image.mode != (
        "RGBA" if shape.palette else "L" if shape.channels == 1 else "RGB"
    ):
        raise NotVerifiableError(
            "the image has other colours than it was written with; another program saved it"
        )
    small = image.resize(shape.size, Image.Resampling.NEAREST)
    differs = ImageChops.difference(
        image, small.resize(image.size, Image.Resampling.NEAREST)
    ).getbbox()
    if differs is not None:
        x, y = differs[0] // scale, differs[1] // scale
        raise NotVerifiableError(
            f"the image was changed: pixel ({x}, {y}) is no square of one colour any more"
        )
    if not shape.palette:
        return small.tobytes()
    try:
        return taken(small, shape.palette, nearest=False).values
    except UnusableImageError as error:
        raise NotVerifiableError(str(error)) from None


class _Pixels:
    """The pixels of all pictures and masks of a call: what may still come."""

    def __init__(self, most: int) -> None:
        self._most = self._left = most

    def taken(self, picture: Decoded) -> Image.Image:
        """The picture. Raises TooLargeError where it is too much."""
        self._left -= picture.image.width * picture.image.height
        if self._left < 0:
            raise TooLargeError(
                f"all pictures and masks have too many pixels; together at most {self._most} are taken"
            )
        return picture.image


def _of_each(
    wanted: Input,
    images: Iterator[Decoded],
    count: int,
    files: Files,
    shape: Shape,
    taking: Taking,
    model: Model,
) -> Iterator[GivenPixels]:
    """Everything that each picture gives, by the one mask, or by its own. Of one among several a refusal says which it
    is."""
    pixels = _Pixels(MAX_PIXELS if count > 1 else 2 * MAX_PIXELS)
    masks = _masks_of(files, count, shape, pixels)
    for i in range(count):
        with naming_picture(i, count):
            image = pixels.taken(next(images))
            mask = masks[i % len(masks)] if masks else None
            if wanted is Input.PICTURE_AND_KEEP:
                yield _with_a_hole(image, mask, shape, taking, model)
            elif wanted is Input.PICTURE_OR_PART:
                yield _whole_or_part(image, mask, shape, taking, model)
            else:
                yield in_colours_of(shape, image, taking)


def _masks_of(
    files: Files, count: int, shape: Shape, pixels: _Pixels
) -> list[Image.Image]:
    """The masks of so many pictures, none, one for all or one for each; white where the image is filled."""
    for data in files.get(ALPHA_MASK, ()):
        try:
            return [hole_of_alpha(pixels.taken(decode(data, "mask")))]
        except NothingToFillError:
            raise NothingToFillError(
                "the mask has no transparent pixel: here what is transparent is filled; POST /complete fills white"
            ) from None
    sent = files.get("mask", [])
    masks = sum(map(count_of, sent))
    if masks not in (0, 1, count):
        pictures = "1 picture" if count == 1 else f"{count} pictures"
        raise BadParameterError(
            f"mask: received {masks} masks for {pictures}: expected one for all, or one for each",
            field="mask",
        )
    flat = replace(shape, channels=1, values=2, palette=())
    return [
        pixels.taken(mask) for data in sent for mask in pictures_of(data, "mask", flat)
    ]


@contextlib.contextmanager
def naming_picture(number: int, count: int) -> Iterator[None]:
    """A refusal in here names the picture, where there are several."""
    try:
        yield
    except RefusedError as error:
        if count > 1:
            error.field = f"image/{number}"
        raise


def together(parts: Sequence[GivenPixels], shape: Shape) -> GivenPixels:
    """All of them one after the other; of what they decide the most."""
    if len(parts) == 1:
        return parts[0]
    whole = bytes([1]) * (shape.height * shape.width)
    keep = (
        b"".join(part.keep or whole for part in parts)
        if any(part.keep for part in parts)
        else b""
    )
    names = {name for part in parts for name in part.found}
    found = {name: max(part.found.get(name, 0) for part in parts) for name in names}
    return GivenPixels(b"".join(part.pixels for part in parts), keep, found)


def _whole_or_part(
    image: Image.Image,
    mask: Image.Image | None,
    shape: Shape,
    taking: Taking,
    model: Model,
) -> GivenPixels:
    """A picture with a hole, or one of which all is given."""
    try:
        part = _with_a_hole(image, mask, shape, taking, model)
        of_completions = "filled_pixels", "enumerate"
        found = {
            name: part.found[name] for name in part.found if name not in of_completions
        }
        return replace(part, found=found)
    except NothingToFillError:
        return in_colours_of(shape, image, taking)


def _with_a_hole(
    image: Image.Image,
    mask: Image.Image | None,
    shape: Shape,
    taking: Taking,
    model: Model,
) -> GivenPixels:
    if mask is None and has_transparent(shape.palette):
        raise NothingToFillError(
            "expected a mask: what is transparent is one of the model's colours, and no hole"
        )
    hole = hole_of_alpha(image) if mask is None else opaque(mask, channels=1)
    hole = _fit(hole, "image" if mask is None else "mask", shape, taking.resize)
    keep = cut(hole, 1, 0)
    filled = keep.tobytes().count(0)
    if not filled:
        raise NothingToFillError(
            "the mask has no pixel of 128 or above; white is what gets filled"
        )
    given = in_colours_of(shape, image, taking, keep.tobytes())
    found = {**found_of_hole(keep, model), **given.found}
    return GivenPixels(given.pixels, keep.tobytes(), found)


def found_of_hole(keep: Image.Image, model: Model) -> dict[str, Any]:
    """Return the options of a completion that its hole decides; keep: 0 = fill."""
    filled = keep.tobytes().count(0)
    behind = given_behind_hole(keep, model.members)
    # One network with nothing given behind the hole draws each image exactly, in one pass.
    # Several with nothing given behind it do so too, in their turn of particles.
    is_mixture = len(model.members) > 1
    is_exact = is_mixture and behind == 0
    has_few = (behind > 0 or is_mixture) and has_few_fillings(filled, model)
    return {
        "filled_pixels": filled,
        "given_behind": behind,
        "enumerate": has_few or is_exact,
    }


def in_colours_of(
    shape: Shape, image: Image.Image, taking: Taking, keep: bytes = b""
) -> GivenPixels:
    """Grey or coloured as the model is, or values of its palette, and of its size. keep: where a palette counts."""
    if not shape.palette:
        return GivenPixels(
            _fit(opaque(image, shape.channels), "image", shape, taking.resize).tobytes()
        )
    fitted = _fit(
        image.convert("RGBA"), "image", shape, taking.resize, Image.Resampling.NEAREST
    )
    found = taken(fitted, shape.palette, taking.nearest, keep)
    return GivenPixels(
        found.values,
        found={"moved_pixels": found.moved, "moved_distance": found.distance},
    )


def hole_of_alpha(image: Image.Image) -> Image.Image:
    """Mode L: 255 where the image is transparent, so that it reads like a mask."""
    if "A" not in image.getbands():
        raise NothingToFillError("expected a mask, or an image with transparent pixels")
    hole = cut(image.getchannel("A"), 255, 0)
    if not hole.getbbox():
        raise NothingToFillError(
            "there is no mask, and the image has no transparent pixel that could be filled"
        )
    return hole


def cut(image: Image.Image, dark: int, bright: int) -> Image.Image:
    """Two values instead of 256: `dark` below 128, `bright` from there on."""
    return image.point([dark] * 128 + [bright] * 128)


def opaque(image: Image.Image, channels: int) -> Image.Image:
    """The picture in grey or RGB, as model_core.data.opaque makes it."""
    whole = Image.new("L" if channels == 1 else "RGB", image.size)
    # In strips, because a large picture would take its memory four times.
    for top in range(0, image.height, _STRIP):
        bottom = min(image.height, top + _STRIP)
        strip = image.crop((0, top, image.width, bottom))
        whole.paste(_opaque(strip, channels), (0, top))
    return whole


def _opaque(image: Image.Image, channels: int) -> Image.Image:
    if "A" in image.getbands():
        paper = Image.new(
            "RGBA",
            image.size,
            (0, 0, 0, 255) if channels == 1 else (255, 255, 255, 255),
        )
        image = Image.alpha_composite(paper, image.convert("RGBA"))
    return image.convert("RGB").convert("L" if channels == 1 else "RGB")


def _fit(
    image: Image.Image,
    role: Role,
    shape: Shape,
    resize: bool,
    by: Image.Resampling = Image.Resampling.BOX,
) -> Image.Image:
    if image.size == shape.size:
        return image
    if not resize:
        raise WrongSizeError(
            f"the {role} is {image.width}x{image.height} (width x height), expected {shape.width}x{shape.height};"
            " send that size, or fit=resize"
        )
    return image.resize(shape.size, by)
