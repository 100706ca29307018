"""Pictures in the terminal: each way of writing them is read back, and the terminal's answer chooses the way."""

import base64
import os
import pty
import re
import sys
import threading
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from model_core.cli.terminal import half_blocks, kitty, show, sixel

KITTY, PLAIN = b"\x1b_Gi=31;OK\x1b\\\x1b[?62c", b"\x1b[?62;22c"
SIXEL = b"\x1b[?62;4;22c"

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")


def picture(width: int, height: int, colours: int = 3) -> Image.Image:
    """Some colours at random, in multiples of 51, which all ways can say exactly."""
    pixels = 51 * np.random.default_rng(7).integers(0, 6, (height, width, colours)).astype(np.uint8)
    return Image.fromarray(pixels[..., 0] if colours == 1 else pixels)


def read_half_blocks(text: str) -> np.ndarray:
    """The pixels (H, W, 3) that a terminal shows."""
    rows = []
    for line in text.splitlines():
        above, below = [], []
        upper = lower = None
        for kind, red, green, blue, cells in re.findall(r"\x1b\[(?:([34])8;2;(\d+);(\d+);(\d+)|0)m(▀*)", line):
            colour = [int(part) for part in (red, green, blue) if part]
            upper, lower = (colour, lower) if kind == "3" else (upper, colour) if kind == "4" else (upper, lower)
            above += [upper] * len(cells)
            below += [lower] * len(cells)
        rows += [above] if None in below else [above, below]
    return np.array(rows)


def read_sixel(text: str) -> np.ndarray:
    """The pixels (H, W, 3) that a terminal shows, in steps of a hundredth."""
    _, _, width, height = map(int, re.search(r'"(\d+);(\d+);(\d+);(\d+)', text).groups())  # type: ignore[union-attr]
    palette = {int(i): list(map(int, rgb.split(";"))) for i, rgb in re.findall(r"#(\d+);2;(\d+;\d+;\d+)", text)}
    body = re.sub(r"#\d+;2;\d+;\d+;\d+", "", text[text.index(str(height)) + len(str(height)) : -2])
    shown = np.full((height, width, 3), -1)
    for band, bits in enumerate(body.split("-")):
        for colour, line in re.findall(r"#(\d+)([^#$]+)", bits):
            words = re.sub(r"!(\d+)(.)", lambda run: run[2] * int(run[1]), line)
            for x, word in enumerate(words):
                for y in range(6):
                    if (ord(word) - 63) >> y & 1:
                        shown[6 * band + y, x] = palette[int(colour)]
    return shown


@pytest.mark.parametrize("size", [(5, 4), (5, 7), (1, 1)])
@pytest.mark.parametrize("colours", [1, 3])
def test_half_blocks_show_every_pixel(size: tuple[int, int], colours: int) -> None:
    """Two a character; of an odd height the last row has nothing under it."""
    shown = picture(*size, colours)
    assert (read_half_blocks(half_blocks(shown, 80)) == np.asarray(shown.convert("RGB"))).all()


def test_half_blocks_fit_the_terminal() -> None:
    """A picture that is too wide is made smaller, in proportion."""
    assert read_half_blocks(half_blocks(picture(100, 60), 50)).shape == (30, 50, 3)


@pytest.mark.parametrize("size", [(5, 4), (9, 13), (300, 7)])
def test_sixels_show_every_pixel(size: tuple[int, int]) -> None:
    """Each has one colour, and it is the right one."""
    shown = picture(*size)
    assert (read_sixel(sixel(shown)) == np.asarray(shown).astype(int) * 100 // 255).all()


def test_kitty_is_sent_a_png_in_parts() -> None:
    """Of 4096 characters, of which the last says that it is the last."""
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (90, 80, 3)).astype(np.uint8))
    parts = re.findall(r"\x1b_G([^;]*);([^\x1b]*)\x1b\\", kitty(noise))
    assert [keys.split("m=")[1] for keys, _ in parts] == [*"1" * (len(parts) - 1), "0"]
    assert all(len(data) <= 4096 for _, data in parts)
    with Image.open(BytesIO(base64.b64decode("".join(data for _, data in parts)))) as sent:
        assert sent.tobytes() == noise.tobytes()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(KITTY, "\x1b_Ga=T"), (SIXEL, "\x1bPq"), (PLAIN, "▀"), (b"", "▀"), (b"\x1b[?nonsense", "▀")],
    ids=["kitty", "sixel", "plain", "silent", "nonsense"],
)
def test_terminal_is_asked_what_it_can_show(answer: bytes, expected: str) -> None:
    """By one question that every terminal may pass over; what it can best is taken, and half blocks else."""
    pid, terminal = pty.fork()
    if pid == 0:
        with os.fdopen(2, "w", closefd=False) as out:
            os._exit(0 if show(picture(4, 4), out) else 1)
    written = bytearray()

    def answer_once() -> None:
        asked = False
        while True:
            try:
                data = os.read(terminal, 4096)
            except OSError:  # Linux says so where others say that there is no more
                return
            if not data:
                return
            written.extend(data)
            if not asked and b"\x1b[c" in written:
                asked = True
                os.write(terminal, answer)

    reader = threading.Thread(target=answer_once)
    reader.start()
    _, status = os.waitpid(pid, 0)
    reader.join(10)
    os.close(terminal)
    assert os.waitstatus_to_exitcode(status) == 0
    told = written.decode(errors="replace").split("\x1b[c", 1)[1]
    assert expected in told
    assert "Gi=31;OK" not in told, "its answer must not be echoed"


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    """A log is no place for it."""
    reading, writing = os.pipe()
    with os.fdopen(writing, "w") as out:
        assert show(picture(4, 4), out) is False
    with os.fdopen(reading, "rb") as told:
        assert told.read() == b""
