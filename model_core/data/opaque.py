"""Pictures without transparency, in the colours of a network. The service does the same
(app/imaging/given.py)."""

from PIL import Image


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
