"""docs/img/completion-families.png: eight test digits with each family of holes, clamped and by the posterior.

    python docs/tools/make_completion_pictures.py data/binarized-mnist

Every row is one family of benchmarks/completion.py: for each digit the picture with its hole in blue, the clamped
completion, and the one drawn from the posterior; seed 2016, none left out.
"""

import sys
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image

from model_core import complete, load_model
from model_core.data.datasets import read_dataset

sys.path.insert(0, str(Path(__file__).parents[2] / "benchmarks"))
from completion import holes  # pyright: ignore[reportMissingImports]

OUT = Path(__file__).parents[1] / "img" / "completion-families.png"
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
