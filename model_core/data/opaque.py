"""Pictures without transparency, in the colours of a network. The service does the same (app/imaging/given.py)."""

from PIL import Image


def opaque(image: Image.Image, channels: int) -> Image.Image:
    """The picture in grey or RGB. What is transparent lies on black in grey, as MNIST's digits do, and on white in
    colour, as drawings do."""
    mode = "L" if channels == 1 else "RGB"
    if image.has_transparency_data:
        image = image.convert("RGBA")
        paper = Image.new(
            "RGBA",
            image.size,
            (0, 0, 0, 255) if channels == 1 else (255, 255, 255, 255),
        )
        image = Image.alpha_composite(paper, image)
    return (
        image.convert("RGB").convert(mode)
        if image.mode == "RGBA"
        else image.convert(mode)
    )
