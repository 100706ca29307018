"""Pictures of eight bits per colour and without transparency, in the colours of a
network. The service does the same (app/imaging/given.py)."""

import numpy as np
from PIL import Image, ImageOps


def upright(image: Image.Image) -> Image.Image:
    """Return a picture as a person sees it: turned by the orientation in its EXIF data,
    and with 8 bits per colour. Of 16 bits the upper 8 are kept.

    image: opened by Pillow; it is decoded and turned too, and loses its EXIF data.

    Raises ValueError for 32 bits per colour, whose black and white are not known, and
    PICTURE_ERRORS of Pillow's decoders.
    """
    # Pillow reads colours of 16 bits in a mode of 8; `tile` shows it until they are
    # decoded. The transparent colour keeps its 16 bits, so that other pixels would be
    # transparent.
    if ";16" in str(getattr(image, "tile", "")) and "transparency" in image.info:
        raise ValueError("it has 16 bits and a transparent colour: save it with 8 bits")
    # The turned picture does not know its format any more.
    return _upper_eight_bits(turned(image), image.format)


def turned(image: Image.Image) -> Image.Image:
    """Return a copy of a picture, turned by the orientation in its EXIF data. The picture
    itself is turned too, and loses its EXIF data."""
    image.load()  # EXIF data may stand behind the pixels
    image.getexif()
    # Pillow would write the EXIF data anew, which fails for some that cameras write.
    for place in ("exif", "Raw profile type exif"):
        image.info.pop(place, None)
    ImageOps.exif_transpose(image, in_place=True)
    return image.copy()


def _upper_eight_bits(image: Image.Image, file_format: str | None) -> Image.Image:
    """Return a new picture of mode L with the upper 8 bits of a grey picture of 16 bits,
    which Pillow would clip to white. Return every other picture itself.

    file_format: Pillow's name of the format of the picture's file, by which 16 bits are
        recognised in PGM files; None if it is not from a file.
    """
    # Pillow has no 16-bit mode for PGM files: it opens deep ones with 32 bits, and
    # scales their values to 0..65535. Values of a TIFF of 32 bits have no such range.
    is_deep_pgm = file_format == "PPM" and image.mode == "I"
    if is_deep_pgm or image.mode.startswith("I;16"):
        return Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError(
            "its pixels are 32-bit numbers: save it as 8-bit grey or colour"
        )
    return image


def opaque(image: Image.Image, channels: int) -> Image.Image:
    """Return a picture in grey (1 channel) or RGB (3), without transparency.
    Transparent pixels are blended with black in grey, the background of MNIST's digits,
    and with white in RGB, the usual background of drawings."""
    mode = "L" if channels == 1 else "RGB"
    if image.has_transparency_data:
        image = image.convert("RGBA")
        grey = 0 if channels == 1 else 255
        background = Image.new("RGBA", image.size, (grey, grey, grey, 255))
        image = Image.alpha_composite(background, image)
    if image.mode == "RGBA":
        image = image.convert("RGB")
    return image.convert(mode)
