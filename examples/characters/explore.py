"""Draw characters that never were, complete a radical, and find the most surprising real ones.

    python examples/characters/explore.py characters.npz

asks the service for drawings (is each real? which real ones are nearest?) and for completions of a left half, with the
map of where strokes are certain; then scores the real characters of the test split here. Pictures: drawn.png,
completed.png, surprising.png in --out.
"""

import argparse
import io
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model_core import load_model, log_likelihood
from pixelrnn.client import Client

Glyphs = NDArray[np.uint8]
"""(..., 16, 16), 0 and 1."""
GIVEN = 7
"""Columns of a character that a completion keeps: about a radical."""


def read(path: Path) -> tuple[Glyphs, NDArray[np.int64], Glyphs]:
    """All characters, their code points, and those of the test split again."""
    with np.load(path) as data:
        return (
            np.concatenate([data[split] for split in ("train", "valid", "test")]),
            data["codes"],
            data["test"],
        )


def nearest(
    glyph: Glyphs, glyphs: Glyphs
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The three real characters that differ in the fewest pixels: their indices, and in how many."""
    apart = (glyphs != glyph).sum((1, 2))
    found = np.argsort(apart, kind="stable")[:3]
    return found, apart[found]


def drawn(
    client: Client, model: str, glyphs: Glyphs, codes: NDArray[np.int64], n: int
) -> list[list[Glyphs]]:
    """Print which of n drawings exist; lines of a drawing and the three nearest real characters."""
    job = client.sample(model, n=n, seed=2016)
    job.wait()
    lines, real = [], 0
    for i in range(n):
        picture = opened(job.image(i))
        found, apart = nearest(picture, glyphs)
        real += apart[0] == 0
        named = ", ".join(
            f"{chr(codes[k])} ({pixels})"
            for k, pixels in zip(found, apart, strict=True)
        )
        print(f"drawing {i}: {'is real: ' if apart[0] == 0 else 'nearest '}{named}")
        lines.append([picture, *glyphs[found]])
    print(f"{real} of {n} drawings are real characters")
    return lines


def completed(client: Client, model: str, glyph: Glyphs, n: int = 6) -> list[Glyphs]:
    """The given part, n completions, where the service expects ink (0 to 1), and the truth."""
    hole = np.ones_like(glyph)
    hole[:, :GIVEN] = 0
    given = glyph * (1 - hole)
    job = client.complete(model, png(given), png(hole), n=n, seed=7, particles=64)
    receipt = job.result().get("posterior")
    assert receipt is not None, "the model completes by clamp alone"
    print("completion:", receipt.get("quality"))
    ink = np.array(job.marginals("mean")["map"])[..., 0]
    return [
        given,
        *(opened(job.image(i)) for i in range(n)),
        np.where(hole, ink, given),
        glyph,
    ]


def surprising(
    model: str, glyphs: Glyphs, codes: NDArray[np.int64], n: int = 12
) -> list[Glyphs]:
    """The n least and then the n most surprising of these characters; their nats are printed."""
    import torch

    nats = -log_likelihood(load_model(model), torch.from_numpy(glyphs[:, None])).numpy()
    order = np.argsort(nats)
    for word, chosen in (("least", order[:n]), ("most", order[::-1][:n])):
        print(
            f"{word} surprising: "
            + ", ".join(f"{chr(codes[i])} {nats[i]:.1f}" for i in chosen)
            + " nats"
        )
    return [*glyphs[order[:n]], *glyphs[order[::-1][:n]]]


def opened(picture: bytes) -> Glyphs:
    """A PNG of the service as 0 and 1."""
    return (np.asarray(Image.open(io.BytesIO(picture)).convert("L")) > 127).astype(
        np.uint8
    )


def png(glyph: Glyphs) -> bytes:
    """Ink is white."""
    file = io.BytesIO()
    Image.fromarray(glyph * np.uint8(255)).save(file, "PNG")
    return file.getvalue()


def sheet(glyphs: list[Glyphs], columns: int, path: Path, scale: int = 3) -> None:
    """Write glyphs (or maps of 0 to 1) side by side, dark ink on a light page."""
    step = glyphs[0].shape[-1] + 2
    page = np.ones((-(-len(glyphs) // columns) * step, columns * step))
    for i, glyph in enumerate(glyphs):
        top, left = i // columns * step + 1, i % columns * step + 1
        page[top : top + step - 2, left : left + step - 2] = 0.94 * (1 - glyph)
    picture = Image.fromarray(np.uint8(255 * page))
    picture.resize(
        (picture.width * scale, picture.height * scale), Image.Resampling.NEAREST
    ).save(path, optimize=True)
    print(path)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--model", default="characters", help="name, in the service and on this disk"
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--n", type=int, default=32, help="drawings")
    asked = parser.parse_args()
    glyphs, codes, test = read(asked.data)
    test_codes = codes[-len(test) :]
    with Client(asked.url) as client:
        lines = drawn(client, asked.model, glyphs, codes, asked.n)
        sheet(
            [glyph for line in lines[:16] for glyph in line],
            16,
            asked.out / "drawn.png",
        )
        rows = [completed(client, asked.model, glyph) for glyph in test[:6]]
        sheet(
            [glyph for row in rows for glyph in row],
            len(rows[0]),
            asked.out / "completed.png",
        )
    sheet(surprising(asked.model, test, test_codes), 12, asked.out / "surprising.png")


if __name__ == "__main__":
    main()
