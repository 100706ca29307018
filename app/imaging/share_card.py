"""The picture that a shared link shows where it is pasted: a drawing on paper, in the shape that such previews have."""

import io

from PIL import Image

from app.imaging.mark import PNG_KEYWORD
from app.imaging.render import chunks

WIDTH, HEIGHT = 1200, 630
_PAPER = (251, 250, 248)
_LINE = (141, 137, 128)
_ROOM = 560
"""Pixels of the card that the drawing's longer side has at most."""
_GLYPH = ("0110", "1001", "1111", "0110")
_BLUE, _PALE = (53, 88, 207), (157, 180, 255)


def card_of(picture: bytes) -> bytes:
    """A drawing, as PNG, in the middle of its card; each pixel a square as large as there is room for. It has the
    drawing's mark."""
    with Image.open(io.BytesIO(picture)) as drawn:
        scale = max(1, _ROOM // max(drawn.size))
        opaque = Image.alpha_composite(Image.new("RGBA", drawn.size, (*_PAPER, 255)), drawn.convert("RGBA"))
        large = opaque.convert("RGB").resize((drawn.width * scale, drawn.height * scale), Image.Resampling.NEAREST)
        return _on_paper(large, drawn.info.get(PNG_KEYWORD, ""))


def plain_card() -> bytes:
    """The picture that is shown if nothing could be drawn in time."""
    glyph = Image.new("RGB", (len(_GLYPH[0]), len(_GLYPH)), _BLUE)
    for y, row in enumerate(_GLYPH):
        for x, bit in enumerate(row):
            glyph.putpixel((x, y), _PALE if bit == "1" else _BLUE)
    return _on_paper(glyph.resize((_ROOM // 2, _ROOM // 2), Image.Resampling.NEAREST))


def _on_paper(picture: Image.Image, mark: str = "") -> bytes:
    card = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    left, top = (WIDTH - picture.width) // 2, (HEIGHT - picture.height) // 2
    card.paste(_LINE, (left - 2, top - 2, left + picture.width + 2, top + picture.height + 2))
    card.paste(picture, (left, top))
    out = io.BytesIO()
    card.save(out, "PNG", optimize=True, pnginfo=chunks({}, mark))
    return out.getvalue()
