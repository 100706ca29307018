"""Pictures that clients send: what a completion keeps and fills, and whole pictures to
upsample, score or encode.

White (128 and above) in a mask = fill, black = keep. Without a mask, pixels with an
alpha below 128 are filled. Transparent pixels are put on black for grey models and in
masks, and on white for coloured models. A file may be an array of values instead
(arrays.py).
"""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from PIL import Image

from app.errors import (
    BadParameterError,
    NotExactError,
    NothingToFillError,
    RefusedError,
    TooLargeError,
    WrongSizeError,
)
from app.imaging.arrays import Shape, count_of, pictures_of
from app.imaging.decode import MAX_PIXELS, Decoded, Role, decode
from app.imaging.drawn import drawn_pixels
from app.imaging.palette import has_transparent, palette_values
from app.schema.answers import Model
from worker.contract.kind import Input
from worker.contract.kinds.complete import FEW_SCORES, most_scores, scores_of

Files = dict[str, list[bytes]]
"""The files of a request, by field: an empty list for an optional field that was left
out, and several for a call that takes several."""

_STRIP = 256
"""Rows of a picture that are made opaque at once."""

ALPHA_MASK = "alpha-mask"
"""The field of a mask as OpenAI's clients send it: its transparent pixels are
filled."""


@dataclass(frozen=True)
class PictureTerms:
    """How uploaded pictures are adapted to the model."""

    resize: bool = False
    """True if a picture of another size is stretched to the model's; False if it is an
    error."""
    nearest: bool = False
    """True if a colour that is missing from the model's palette becomes the nearest
    one; False if it is an error."""


@dataclass(frozen=True)
class GivenPixels:
    """The input of a job, as it is stored."""

    pixels: bytes
    """H*W*C bytes, row by row, pixel by pixel, colour by colour; several pictures
    follow each other. Or the file that contains them."""
    keep: bytes = b""
    """H*W bytes, 1 = given, 0 = fill; empty if the whole picture is given."""
    found: Mapping[str, Any] = field(default_factory=dict)
    """Options of the job that the pictures determine."""
    upload: bytes = b""
    """The file of a larger picture, of which the pixels are cut-outs; else empty."""


def given_behind_hole(keep: Image.Image, members: Iterable[str]) -> int:
    """Return the number of given pixels that are drawn after the first pixel of the
    hole. Each member has a drawing order of its own; the largest number counts. If it
    is 0, no particles are needed.

    keep: mode L, 0 = fill.
    members: orientations of the model's networks; unknown ones are ignored.
    """
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
    """Return the number of given pixels after the first missing one."""
    first = keep.find(0)
    return 0 if first < 0 else len(keep) - first - keep.count(0, first)


def read_given(
    wanted: Input, files: Files, model: Model, terms: PictureTerms, count: int = 1
) -> GivenPixels:
    """Return everything that the files of a request give to a job.

    wanted: what the kind of job takes.
    terms: how pictures are adapted to the model.
    count: number of pictures in the files, for a kind that treats each separately.

    Raises RefusedError for files that do not fit.
    """
    if wanted is Input.CODED_FILE:
        return GivenPixels(files["file"][0])
    shape = Shape.of(model)
    if wanted is Input.DRAWN_PICTURE:
        return GivenPixels(drawn_pixels(files["image"][0], shape))
    if wanted is Input.SMALL_PICTURE:
        shape = replace(shape, height=model.small_height, width=model.small_width)
    may_have_holes = wanted in (Input.PICTURE_AND_KEEP, Input.PICTURE_OR_PART)
    # Decoded one at a time, because large pictures take much memory.
    images = (
        picture
        for data in files["image"]
        for picture in pictures_of(data, "image", shape, may_have_holes)
    )
    if wanted is Input.PICTURES:
        exact = [_exact(shape, image, i, terms) for i, image in enumerate(images)]
        return combine(exact, shape)
    if wanted in (Input.PICTURE, Input.PICTURE_AND_KEEP, Input.PICTURE_OR_PART):
        each = list(_of_each(wanted, images, count, files, shape, terms, model))
        return combine(each, shape)
    return in_colours_of(shape, _only(images).image, terms)


def _only(pictures: Iterator[Decoded]) -> Decoded:
    """Return the only picture; only an array can contain several."""
    picture = next(pictures)
    if next(pictures, None) is not None:
        raise WrongSizeError("the array holds several pictures: this call takes one")
    return picture


def _exact(
    shape: Shape, picture: Decoded, number: int, terms: PictureTerms
) -> GivenPixels:
    """Return the pixels of a picture to encode. Raises WrongSizeError, or NotExactError
    if they do not contain everything that the file does."""
    image = picture.image
    if image.size != shape.size:
        raise WrongSizeError(
            f"image {number}, counted from 0, is {image.width}x{image.height} "
            f"(width x height), expected {shape.width}x{shape.height}"
        )
    if shape.palette and not picture.has_more_bits:
        with naming_picture(number, 2):
            return in_colours_of(shape, image, replace(terms, resize=False))
    shown = opaque(image, shape.channels)
    if (
        picture.has_more_bits
        or shown.convert("RGBA").tobytes() != image.convert("RGBA").tobytes()
    ):
        colours = "grey" if shape.channels == 1 else "RGB"
        raise NotExactError(
            f"image {number}, counted from 0, would not come back as it is: expected "
            f"{colours}, 8 bits a colour, not transparent"
        )
    return GivenPixels(shown.tobytes())


class _PixelBudget:
    """Counts the pixels of all pictures and masks of a call."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._left = most

    def charge(self, picture: Decoded) -> Image.Image:
        """Count the picture's pixels, and return its image. Raises TooLargeError if
        they are too many."""
        self._left -= picture.image.width * picture.image.height
        if self._left < 0:
            raise TooLargeError(
                "all pictures and masks together have too many pixels: "
                f"expected at most {self._most}"
            )
        return picture.image


def _of_each(
    wanted: Input,
    images: Iterator[Decoded],
    count: int,
    files: Files,
    shape: Shape,
    terms: PictureTerms,
    model: Model,
) -> Iterator[GivenPixels]:
    """Yield what each picture gives, with the one mask or its own. With several
    pictures, an error names the picture."""
    pixels = _PixelBudget(MAX_PIXELS if count > 1 else 2 * MAX_PIXELS)
    masks = _masks_of(files, count, shape, pixels)
    for i in range(count):
        with naming_picture(i, count):
            image = pixels.charge(next(images))
            mask = masks[i % len(masks)] if masks else None
            if wanted is Input.PICTURE_AND_KEEP:
                yield _with_a_hole(image, mask, shape, terms, model)
            elif wanted is Input.PICTURE_OR_PART:
                yield _whole_or_part(image, mask, shape, terms, model)
            else:
                yield in_colours_of(shape, image, terms)


def _masks_of(
    files: Files, count: int, shape: Shape, pixels: _PixelBudget
) -> list[Image.Image]:
    """Return the masks of `count` pictures: none, one for all, or one for each; white =
    fill."""
    for data in files.get(ALPHA_MASK, ()):
        try:
            return [hole_of_alpha(pixels.charge(decode(data, "mask")))]
        except NothingToFillError:
            raise NothingToFillError(
                "the mask has no transparent pixel: here transparent "
                "pixels are filled; POST /complete fills white ones"
            ) from None
    sent = files.get("mask", [])
    masks = sum(map(count_of, sent))
    if masks not in (0, 1, count):
        pictures = "1 picture" if count == 1 else f"{count} pictures"
        raise BadParameterError(
            f"mask: received {masks} masks for {pictures}: "
            "expected one for all, or one for each",
            field="mask",
        )
    flat = replace(shape, channels=1, values=2, palette=())
    return [
        pixels.charge(mask) for data in sent for mask in pictures_of(data, "mask", flat)
    ]


@contextlib.contextmanager
def naming_picture(number: int, count: int) -> Iterator[None]:
    """Context manager that sets `field` of a RefusedError to this picture, if there are
    several.

    number: index of the picture.
    count: number of pictures.
    """
    try:
        yield
    except RefusedError as error:
        if count > 1:
            error.field = f"image/{number}"
        raise


def combine(parts: Sequence[GivenPixels], shape: Shape) -> GivenPixels:
    """Return the input of several pictures as one: their bytes in order, and the
    largest of each option that they determine. Parts without a mask count as completely
    given."""
    if len(parts) == 1:
        return parts[0]
    whole = bytes([1]) * (shape.height * shape.width)
    keep = b""
    if any(part.keep for part in parts):
        keep = b"".join(part.keep or whole for part in parts)
    names = {name for part in parts for name in part.found}
    found = {name: max(part.found.get(name, 0) for part in parts) for name in names}
    return GivenPixels(b"".join(part.pixels for part in parts), keep, found)


def _whole_or_part(
    image: Image.Image,
    mask: Image.Image | None,
    shape: Shape,
    terms: PictureTerms,
    model: Model,
) -> GivenPixels:
    """Return a picture with a hole, or one that is completely given."""
    try:
        part = _with_a_hole(image, mask, shape, terms, model)
        of_completions = "filled_pixels", "enumerate", "most_scores"
        found = {
            name: part.found[name] for name in part.found if name not in of_completions
        }
        return replace(part, found=found)
    except NothingToFillError:
        return in_colours_of(shape, image, terms)


def _with_a_hole(
    image: Image.Image,
    mask: Image.Image | None,
    shape: Shape,
    terms: PictureTerms,
    model: Model,
) -> GivenPixels:
    if mask is None and has_transparent(shape.palette):
        raise NothingToFillError(
            "expected a mask: what is transparent is one of the model's colours, "
            "and no hole"
        )
    hole = hole_of_alpha(image) if mask is None else opaque(mask, channels=1)
    hole = _fit(hole, "image" if mask is None else "mask", shape, terms.resize)
    keep = threshold(hole, 1, 0)
    filled = keep.tobytes().count(0)
    if not filled:
        raise NothingToFillError(
            "the mask has no pixel of 128 or above; white is what gets filled"
        )
    given = in_colours_of(shape, image, terms, keep.tobytes())
    found = {**found_of_hole(keep, model), **given.found}
    return GivenPixels(given.pixels, keep.tobytes(), found)


def found_of_hole(keep: Image.Image, model: Model) -> dict[str, Any]:
    """Return the options of a completion that its hole determines: name -> value.

    keep: mode L, 0 = fill.
    """
    filled = keep.tobytes().count(0)
    behind = given_behind_hole(keep, model.members)
    # One network with nothing given behind the hole draws each image exactly, in one pass.
    # Several with nothing given behind it do so too, in their turn of particles.
    is_mixture = len(model.members) > 1
    is_exact = is_mixture and behind == 0
    scores = scores_of(filled, model)
    limit = most_scores(model)
    is_enumerated = (behind > 0 or is_mixture) and scores <= limit
    takes_more = is_enumerated and not is_exact and scores > FEW_SCORES
    return {
        "filled_pixels": filled,
        "given_behind": behind,
        "enumerate": is_enumerated or is_exact,
        "most_scores": limit if takes_more else 0,
    }


def in_colours_of(
    shape: Shape, image: Image.Image, terms: PictureTerms, keep: bytes = b""
) -> GivenPixels:
    """Return a picture's pixels in the model's size and colours: grey, RGB, or values
    of its palette.

    keep: with a palette, only pixels whose byte is not 0 must have its colours; empty
        for all.

    Raises WrongSizeError for another size, unless the terms allow resizing, and
    UnusableImageError for a colour that is missing from the palette, unless they allow
    the nearest.
    """
    if not shape.palette:
        whole = opaque(image, shape.channels)
        return GivenPixels(_fit(whole, "image", shape, terms.resize).tobytes())
    # Averages of palette colours would be other colours.
    fitted = _fit(
        image.convert("RGBA"), "image", shape, terms.resize, Image.Resampling.NEAREST
    )
    found = palette_values(fitted, shape.palette, terms.nearest, keep)
    return GivenPixels(
        found.values,
        found={"moved_pixels": found.moved, "moved_distance": found.distance},
    )


def hole_of_alpha(image: Image.Image) -> Image.Image:
    """Return a mask of mode L: 255 for transparent pixels (alpha below 128), else 0.
    Raises NothingToFillError if there are none."""
    if "A" not in image.getbands():
        raise NothingToFillError("expected a mask, or an image with transparent pixels")
    hole = threshold(image.getchannel("A"), 255, 0)
    if not hole.getbbox():
        raise NothingToFillError(
            "there is no mask, and the image has no transparent pixel to fill"
        )
    return hole


def threshold(image: Image.Image, dark: int, bright: int) -> Image.Image:
    """Return an image of two values: `dark` for values below 128, `bright` for the
    others."""
    return image.point([dark] * 128 + [bright] * 128)


def opaque(image: Image.Image, channels: int) -> Image.Image:
    """Return the picture in grey (channels = 1) with transparent pixels on black, or in
    RGB (channels = 3) with transparent pixels on white."""
    whole = Image.new("L" if channels == 1 else "RGB", image.size)
    # In strips: at once, a large picture would need four times its memory.
    for top in range(0, image.height, _STRIP):
        bottom = min(image.height, top + _STRIP)
        strip = image.crop((0, top, image.width, bottom))
        whole.paste(_opaque(strip, channels), (0, top))
    return whole


def _opaque(image: Image.Image, channels: int) -> Image.Image:
    if "A" in image.getbands():
        background = (0, 0, 0, 255) if channels == 1 else (255, 255, 255, 255)
        paper = Image.new("RGBA", image.size, background)
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
