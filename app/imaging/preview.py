"""The preview picture of a shared link, in the size that messengers and social networks
expect."""

import io
import textwrap

from PIL import Image, ImageDraw, ImageFont

from app.imaging.render import Canvas, picture_of
from worker.contract.picture_file import with_palette

WIDTH, HEIGHT = 1200, 630
"""Pixels, as https://ogp.me and the guides of Facebook, LinkedIn and X recommend: about
1.91 to 1."""
_PAPER = (22, 22, 20)
_INK = (236, 234, 228)
_MARGIN = 28
"""Pixels between the picture and the edges of the paper, at least."""
_SIDE = HEIGHT - 2 * _MARGIN
"""Longest side of the picture, in pixels; the words stand to its right."""
_WORDS = "A network draws this one pixel at a time."
_LINE = 15
"""Characters in a line of words, about."""
_LETTERS = 64
"""Height of the words, in pixels."""
_FOG = (51, 64, 95)
"""Colour of pixels that are not drawn yet, as on the page's canvas."""
_BLUE = (61, 99, 221)
_GLYPH = ("ooo", "o-.", "...")
_TONES = {"o": 1.0, "-": 0.75, ".": 0.28}
"""The project's logo, as in app/playground/img/logo.svg: a picture that is drawn as far
as its middle."""


def preview_of(picture: bytes, words: str = _WORDS) -> bytes:
    """Return a PNG of WIDTH x HEIGHT with the picture, enlarged as far as it fits, beside
    the words. Of a picture that does not fit only the middle is shown.

    picture: a complete image file.
    """
    with Image.open(io.BytesIO(picture)) as small:
        return _on_paper(_cropped(small), words)


def half_preview_of(canvas: Canvas, words: str = _WORDS) -> bytes:
    """Return the preview, a PNG, of the first picture with its lower half covered, as
    if it were not drawn yet. Raises NoRowsYetError if it has no row yet."""
    picture = picture_of(canvas, 0)
    if canvas.palette:
        picture = with_palette(picture, canvas.palette)
    half = _cropped(picture)
    half.paste(_FOG, (0, half.height // 2, half.width, half.height))
    return _on_paper(half, words)


def plain_preview(words: str = _WORDS) -> bytes:
    """Return the preview of a model without a picture: the project's logo."""
    sign = Image.new("RGB", (len(_GLYPH[0]) + 2, len(_GLYPH) + 2), _BLUE)
    for y, row in enumerate(_GLYPH):
        for x, letter in enumerate(row):
            share = _TONES[letter]
            tone = tuple(round(255 * share + part * (1 - share)) for part in _BLUE)
            sign.putpixel((x + 1, y + 1), tone)
    return _on_paper(sign, words)


def _cropped(picture: Image.Image) -> Image.Image:
    """Return a copy of the middle of a picture, as much as fits on the paper."""
    width = min(picture.width, _SIDE)
    height = min(picture.height, _SIDE)
    left = (picture.width - width) // 2
    top = (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height)).convert("RGB")


def _on_paper(small: Image.Image, words: str) -> bytes:
    scale = _SIDE // max(small.size)
    large = small.resize(
        (scale * small.width, scale * small.height), Image.Resampling.NEAREST
    )
    left = _MARGIN + (_SIDE - large.width) // 2
    preview = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    preview.paste(large, (left, (HEIGHT - large.height) // 2))

    ImageDraw.Draw(preview).multiline_text(
        (_MARGIN + _SIDE + 2 * _MARGIN, HEIGHT // 2),
        textwrap.fill(words, _LINE),
        _INK,
        ImageFont.load_default(_LETTERS),
        anchor="lm",
        spacing=_LETTERS // 4,
    )
    file = io.BytesIO()
    preview.save(file, "PNG", optimize=True)
    return file.getvalue()
