"""The preview picture of a shared link, in the size that messengers and social networks
expect."""

import io

from PIL import Image

from app.imaging.palette import with_palette
from app.imaging.render import Canvas, picture_of

WIDTH, HEIGHT = 1200, 630
"""Pixels, as https://ogp.me and the guides of Facebook, LinkedIn and X recommend: about
1.91 to 1."""
_PAPER = (251, 250, 248)
_FRAME = (141, 137, 128)
_FRAME_WIDTH = 2
_MARGIN = 28
"""Pixels between the picture and each edge of the paper, at least."""
_FOG = (51, 64, 95)
"""Colour of pixels that are not drawn yet, as on the page's canvas."""
_BLUE = (61, 99, 221)
_GLYPH = ("ooo", "o-.", "...")
_TONES = {"o": 1.0, "-": 0.75, ".": 0.28}
"""The project's logo, as in app/playground/img/logo.svg: a picture that is drawn as far
as its middle."""


def preview_of(picture: bytes) -> bytes:
    """Return a PNG of WIDTH x HEIGHT with the picture in its middle, enlarged as far as
    it fits. Of a picture that does not fit only the middle is shown.

    picture: a complete image file.
    """
    with Image.open(io.BytesIO(picture)) as small:
        return _on_paper(_cropped(small))


def half_preview_of(canvas: Canvas) -> bytes:
    """Return the preview, a PNG, of the first picture, whose lower half is covered, as
    if it were not drawn yet. Raises NoRowsYetError if it has no row yet."""
    picture = picture_of(canvas, 0)
    if canvas.palette:
        picture = with_palette(picture, canvas.palette)
    half = _cropped(picture)
    half.paste(_FOG, (0, half.height // 2, half.width, half.height))
    return _on_paper(half)


def plain_preview() -> bytes:
    """Return the preview of a model without a picture: the project's logo."""
    sign = Image.new("RGB", (len(_GLYPH[0]) + 2, len(_GLYPH) + 2), _BLUE)
    for y, row in enumerate(_GLYPH):
        for x, letter in enumerate(row):
            share = _TONES[letter]
            tone = tuple(round(255 * share + part * (1 - share)) for part in _BLUE)
            sign.putpixel((x + 1, y + 1), tone)
    return _on_paper(sign)


def _cropped(picture: Image.Image) -> Image.Image:
    """Return a copy of the middle of a picture, as much as fits on the paper."""
    width = min(picture.width, WIDTH - 2 * _MARGIN)
    height = min(picture.height, HEIGHT - 2 * _MARGIN)
    left = (picture.width - width) // 2
    top = (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height)).convert("RGB")


def _on_paper(small: Image.Image) -> bytes:
    scale = min(
        (WIDTH - 2 * _MARGIN) // small.width, (HEIGHT - 2 * _MARGIN) // small.height
    )
    size = (scale * small.width, scale * small.height)
    large = small.resize(size, Image.Resampling.NEAREST)
    left = (WIDTH - large.width) // 2
    top = (HEIGHT - large.height) // 2

    preview = Image.new("RGB", (WIDTH, HEIGHT), _PAPER)
    frame = (
        left - _FRAME_WIDTH,
        top - _FRAME_WIDTH,
        left + large.width + _FRAME_WIDTH,
        top + large.height + _FRAME_WIDTH,
    )
    preview.paste(_FRAME, frame)
    preview.paste(large, (left, top))
    file = io.BytesIO()
    preview.save(file, "PNG", optimize=True)
    return file.getvalue()
