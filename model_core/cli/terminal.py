"""Pictures in the terminal, two pixels in each character."""

import os
from itertools import groupby
from typing import TextIO

import numpy as np
from PIL import Image

Colour = list[int]
"""Red, green and blue, 0..255."""
_USUAL_COLUMNS = 80


def show(picture: Image.Image, out: TextIO) -> bool:
    """Print a picture, grey or RGB, if `out` is a terminal, and return True; return
    False if it is not."""
    if not out.isatty():
        return False
    out.write(
        half_blocks(
            picture, os.get_terminal_size(out.fileno()).columns or _USUAL_COLUMNS
        )
    )
    out.flush()
    return True


def half_blocks(picture: Image.Image, columns: int) -> str:
    """Return a picture as text with 24-bit colours, two pixels in each character, one
    above the other. A picture wider than `columns` is made smaller."""
    if picture.width > columns:
        size = columns, max(1, round(picture.height * columns / picture.width))
        picture = picture.resize(size, Image.Resampling.BOX)
    pixels = np.asarray(picture.convert("RGB")).tolist()
    # If the height is odd, there is nothing below the last row.
    pairs = zip(pixels[::2], [*pixels[1::2], None], strict=False)
    return "".join(_line(upper, lower) for upper, lower in pairs)


def _line(upper: list[Colour], lower: list[Colour] | None) -> str:
    """Return one line of characters. Colours are given where they change."""
    cells: list[str] = []
    for (above, below), run in groupby(
        zip(upper, lower or [None] * len(upper), strict=True)
    ):
        ground = "" if below is None else f"\x1b[48;2;{below[0]};{below[1]};{below[2]}m"
        cells.append(
            f"\x1b[38;2;{above[0]};{above[1]};{above[2]}m{ground}{'▀' * len(list(run))}"
        )
    return "".join(cells) + "\x1b[0m\n"
