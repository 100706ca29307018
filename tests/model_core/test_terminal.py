"""Pictures in the terminal, read back from what is written there."""

import os
import re
import sys

import numpy as np
import pytest
from PIL import Image

from model_core.cli.terminal import half_blocks, show

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")


def picture(width: int, height: int, colours: int = 3) -> Image.Image:
    """Some colours at random, in multiples of 51, which terminals show exactly."""
    pixels = 51 * np.random.default_rng(7).integers(
        0, 6, (height, width, colours)
    ).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if colours == 1 else pixels)


def read_half_blocks(text: str) -> np.ndarray:
    """The pixels (H, W, 3) that a terminal shows."""
    rows = []
    for line in text.splitlines():
        above, below = [], []
        upper = lower = None
        for kind, red, green, blue, cells in re.findall(
            r"\x1b\[(?:([34])8;2;(\d+);(\d+);(\d+)|0)m(▀*)", line
        ):
            colour = [int(part) for part in (red, green, blue) if part]
            upper, lower = (
                (colour, lower)
                if kind == "3"
                else (upper, colour)
                if kind == "4"
                else (upper, lower)
            )
            above += [upper] * len(cells)
            below += [lower] * len(cells)
        rows += [above] if None in below else [above, below]
    return np.array(rows)


@pytest.mark.parametrize("size", [(5, 4), (5, 7), (1, 1)])
@pytest.mark.parametrize("colours", [1, 3])
def test_half_blocks_show_every_pixel(size: tuple[int, int], colours: int) -> None:
    """Two a character; of an odd height the last row has nothing under it."""
    shown = picture(*size, colours)
    assert (
        read_half_blocks(half_blocks(shown, 80)) == np.asarray(shown.convert("RGB"))
    ).all()


def test_half_blocks_fit_the_terminal() -> None:
    """A picture that is too wide is made smaller, in proportion."""
    assert read_half_blocks(half_blocks(picture(100, 60), 50)).shape == (30, 50, 3)


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    """A log is no place for it."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        assert show(picture(4, 4), out) is False
    with os.fdopen(reading, "rb") as told:
        assert told.read() == b""
