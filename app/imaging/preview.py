"""The preview picture of a shared link, in the size that messengers and social networks
expect."""

import io

from PIL import Image

WIDTH, HEIGHT = 1200, 630
"""Pixels, as https://ogp.me and the guides of Facebook, LinkedIn and X recommend: about
1.91 to 1."""
_PAPER = (251, 250, 248)
_FRAME = (141, 137, 128)
_FRAME_WIDTH = 2
_MARGIN = 28
"""Pixels between the picture and the upper edge, at least."""
_FOG = (51, 64, 95)
"""Colour of pixels that are not drawn yet, as on the page's canvas."""
_BLUE = (61, 99, 221)
_GLYPH = ("ooo", "o-.", "...")
_TONES = {"o": 1.0, "-": 0.75, ".": 0.28}
"""The project's logo, as in app/playground/img/logo.svg: a picture that is drawn as far
as its middle."""


def preview_of(picture: bytes) -> bytes:
    """Return a PNG of WIDTH x HEIGHT with the picture in its middle, enlarged as much
    as fits.

    picture: bytes of a file that Pillow can read, at most HEIGHT pixels high.
    """
    with Image.open(io.BytesIO(picture)) as small:
        return _on_paper(small.convert("RGB"))


def half_preview_of(picture: bytes) -> bytes:
    """Return the preview, a PNG, of a picture whose lower half is covered, as if it were
    not drawn yet. picture: a complete image file."""
    with Image.open(io.BytesIO(picture)) as whole:
        half = whole.convert("RGB")
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


def _on_paper(small: Image.Image) -> bytes:
    scale = max(1, (HEIGHT - 2 * _MARGIN) // small.height)
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
