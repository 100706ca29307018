"""Pictures in the terminal: how it can show them, which it is asked, and what is written to it then."""

import base64
import os
import re
import select
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from itertools import groupby
from typing import TextIO

import numpy as np
from PIL import Image

Colour = list[int]
"""Red, green and blue, 0..255."""
_QUESTION = b"\x1b_Gi=31,s=1,v=1,a=q,t=d,f=24;AAAA\x1b\\\x1b[c"
"""Kitty's: could you show a picture of one pixel? Others pass over it. Then that of all terminals: what are you?"""
_PATIENCE_S = 0.3
_CHUNK = 4096
_SIXEL = 4
"""Code for sixels among a terminal's features (DA1)."""
_USUAL_COLUMNS = 80
_LEAST_WIDTH = 320
"""Pixels: smaller pictures are enlarged where a terminal shows real pixels."""


def show(picture: Image.Image, out: TextIO) -> bool:
    """Show a picture, grey or RGB, in the terminal that `out` is; False where it is none."""
    if not out.isatty():
        return False
    columns = os.get_terminal_size(out.fileno()).columns or _USUAL_COLUMNS
    out.write(_drawn_by(_way_of(out.fileno()), picture, columns))
    out.flush()
    return True


def _drawn_by(way: Callable[[Image.Image], str] | None, picture: Image.Image, columns: int) -> str:
    return half_blocks(picture, columns) if way is None else way(_enlarged(picture)) + "\n"


def half_blocks(picture: Image.Image, columns: int) -> str:
    """Two pixels a character, one above the other, in 24 bits of colour; one that is too wide is made smaller."""
    if picture.width > columns:
        size = columns, max(1, round(picture.height * columns / picture.width))
        picture = picture.resize(size, Image.Resampling.BOX)
    pixels = np.asarray(picture.convert("RGB")).tolist()
    pairs = zip(pixels[::2], [*pixels[1::2], None], strict=False)  # of an odd height the last row has nothing below
    return "".join(_line(upper, lower) for upper, lower in pairs)


def _line(upper: list[Colour], lower: list[Colour] | None) -> str:
    """The colours are said where they change."""
    cells: list[str] = []
    for (above, below), run in groupby(zip(upper, lower or [None] * len(upper), strict=True)):
        ground = "" if below is None else f"\x1b[48;2;{below[0]};{below[1]};{below[2]}m"
        cells.append(f"\x1b[38;2;{above[0]};{above[1]};{above[2]}m{ground}{'▀' * len(list(run))}")
    return "".join(cells) + "\x1b[0m\n"


def kitty(picture: Image.Image) -> str:
    """The picture as a PNG, by the protocol of kitty, which several others speak."""
    data = BytesIO()
    picture.save(data, "PNG")
    text = base64.b64encode(data.getvalue()).decode()
    parts = [text[i : i + _CHUNK] for i in range(0, len(text), _CHUNK)]
    written = []
    for i, part in enumerate(parts):
        keys = "a=T,f=100,q=2," if i == 0 else ""
        written.append(f"\x1b_G{keys}m={int(i + 1 < len(parts))};{part}\x1b\\")
    return "".join(written)


def sixel(picture: Image.Image) -> str:
    """The picture in bands of six rows, of up to 256 colours, each colour's columns as one run-length coded line."""
    reduced = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
    palette, indices = reduced.getpalette() or [], np.asarray(reduced)
    head = f'\x1bPq"1;1;{reduced.width};{reduced.height}'
    colours = [
        f"#{i};2;" + ";".join(str(round(part * 100 / 255)) for part in palette[3 * i : 3 * i + 3])
        for i in np.unique(indices).tolist()
    ]
    bands = ("$".join(_band(indices[y : y + 6])) for y in range(0, len(indices), 6))
    return head + "".join(colours) + "-".join(bands) + "\x1b\\"


def _band(rows: np.ndarray) -> Iterator[str]:
    weights = (1 << np.arange(len(rows)))[:, None]
    for colour in np.unique(rows).tolist():
        columns = ((rows == colour) * weights).sum(0)
        runs = ((chr(63 + bits), len(list(run))) for bits, run in groupby(columns.tolist()))
        yield f"#{colour}" + "".join(f"!{length}{word}" if length > 3 else word * length for word, length in runs)


def _enlarged(picture: Image.Image) -> Image.Image:
    times = -(-_LEAST_WIDTH // picture.width)
    return picture.resize((picture.width * times, picture.height * times), Image.Resampling.NEAREST)


def _way_of(terminal: int) -> Callable[[Image.Image], str] | None:
    """How the terminal shows real pixels; None where it does not, or does not say."""
    answer = _asked(terminal)
    if b"\x1b_Gi=31;OK" in answer:
        return kitty
    features = re.search(rb"\x1b\[\?([\d;]+)c", answer)
    return sixel if features and _SIXEL in map(int, features[1].split(b";")) else None


def _asked(terminal: int) -> bytes:
    """The terminal's answer, read without its echo; empty if this process may not ask."""
    import termios
    import tty

    try:
        if os.tcgetpgrp(terminal) != os.getpgrp():  # in the background: asking would stop us
            return b""
        before = termios.tcgetattr(terminal)
    except (OSError, termios.error):
        return b""
    try:
        tty.setcbreak(terminal, termios.TCSADRAIN)
        os.write(terminal, _QUESTION)
        return _read_until_told(terminal)
    finally:
        termios.tcsetattr(terminal, termios.TCSADRAIN, before)


def _read_until_told(terminal: int) -> bytes:
    """Up to the end of the second answer, or for as long as one waits for it."""
    answer, deadline = b"", time.monotonic() + _PATIENCE_S
    while not re.search(rb"\x1b\[\?[\d;]+c", answer):
        left = deadline - time.monotonic()
        if left <= 0 or not select.select([terminal], [], [], left)[0]:
            break
        answer += os.read(terminal, 1024)
    return answer
