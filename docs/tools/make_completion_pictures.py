"""Pictures of completions, from binarized MNIST and the shipped weights.

    python docs/tools/make_completion_pictures.py data/binarized-mnist

docs/img/completion-families.png: every row is one family of benchmarks/completion.py: for each of eight test digits the
picture with its hole in blue, the clamped completion, and the one drawn from the posterior; seed 2016, none left out.

docs/img/shares.png: the upper rows of one test digit, and a completion of each of the four labels that suit them best,
with p(label | given); docs/img/half.png: those rows, transparent below.
"""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from model_core import classify, complete, load_model
from model_core.data.datasets import read_dataset

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from completion import holes  # pyright: ignore[reportMissingImports]

OUT = Path(__file__).parents[1] / "img" / "completion-families.png"
SHARES = OUT.with_name("shares.png")
HALF = OUT.with_name("half.png")
HALVED, GIVEN_ROWS = 9657, 12
"""The test digit of SHARES and HALF, chosen because several labels suit its upper rows; rows that are given."""
GIVEN_INK = (120, 170, 255)
SHARES_SCALE, SHARES_GAP, CAPTION = 5, 8, 28
DIGITS, SEED, SCALE, GAP = 8, 2016, 2, 2
HOLE, BACK = (64, 96, 160), (90, 90, 90)

Picture = NDArray[np.uint8]


def main(
    data: Annotated[Path, typer.Argument(help="Binarized MNIST.")],
    model: str = "mnist-diagonal-bilstm-x4",
) -> None:
    """Draw and write the picture."""
    loaded = load_model(model)
    values = read_dataset(data, "test", loaded.config)
    digits = torch.from_numpy(
        values[np.arange(DIGITS) * len(values) // DIGITS].astype(np.int64)
    )
    rows = []
    for family in holes(digits[0], 0):
        row = []
        for i, digit in enumerate(digits):
            keep = torch.from_numpy(
                np.ascontiguousarray(holes(digits[i - 1], i)[family])
            )
            drawn = [
                complete(loaded, digit, keep, 1, SEED + i, method=m).values[0]
                for m in ("clamp", "posterior")
            ]
            row += [
                _framed(_coloured(digit, keep)),
                *(_framed(_coloured(each)) for each in drawn),
            ]
        rows.append(np.concatenate(row, 1))
    table = np.concatenate(rows, 0)
    Image.fromarray(table.repeat(SCALE, 0).repeat(SCALE, 1)).save(
        OUT, format="PNG", optimize=True
    )
    typer.echo(OUT)
    write_shares(torch.from_numpy(values[HALVED].astype(np.int64)))
    typer.echo(SHARES)


def write_shares(digit: torch.Tensor) -> None:
    """Write SHARES and HALF. digit: values (1, 28, 28)."""
    model = load_model("mnist-labelled")
    keep = torch.zeros(digit.shape[1:], dtype=torch.bool)
    keep[:GIVEN_ROWS] = True
    given = np.where(keep.numpy(), digit[0].numpy() * 255, 0).astype(np.uint8)
    alpha = (keep.numpy() * 255).astype(np.uint8)
    Image.fromarray(np.stack([given, alpha], -1)).save(HALF, optimize=True)

    chances = np.asarray(classify(model, digit[None], keep).p[0])
    panels = [(_coloured(digit, keep), "given")]
    for label in np.argsort(-chances)[:4]:
        done = complete(model, digit, keep, 1, SEED, label=int(label))
        picture = _coloured(done.values[0])
        picture[(given > 0) & keep.numpy()] = GIVEN_INK
        panels.append((picture, f"a {label}: {chances[label]:.0%}"))
    panels[0][0][given > 0] = GIVEN_INK

    side = digit.shape[2] * SHARES_SCALE
    width = len(panels) * (side + SHARES_GAP) - SHARES_GAP
    sheet = Image.new("RGB", (width, side + CAPTION), "white")
    write = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(18)
    for i, (picture, caption) in enumerate(panels):
        x = i * (side + SHARES_GAP)
        sheet.paste(Image.fromarray(picture).resize((side, side), 0), (x, 0))
        middle = x + side / 2, side + CAPTION / 2
        write.text(middle, caption, "black", font, anchor="mm")
    sheet.quantize(64).save(SHARES, optimize=True)


def _coloured(image: torch.Tensor, keep: torch.Tensor | None = None) -> Picture:
    """(H, W, 3): white ink on black; the hole in blue."""
    picture = (image[0].numpy() * 255).astype(np.uint8)[..., None].repeat(3, 2)
    if keep is not None:
        picture[~keep.numpy()] = HOLE
    return picture


def _framed(picture: Picture) -> Picture:
    """The picture with a line to the right and below."""
    H, W, _ = picture.shape
    framed = np.full((H + GAP, W + GAP, 3), BACK, np.uint8)
    framed[:H, :W] = picture
    return framed


if __name__ == "__main__":
    typer.run(main)
