"""Make pictures of completions, and the README's input, from a trained model and MNIST's test images.

    python docs/tools/make_pictures.py models/mnist-diagonal-bilstm DIRECTORY_OF_MNIST

docs/img/completions.png: 8 test digits (left) and 8 completions of the lower half of
each; the pixels that the model was given are blue, those that it drew are white.
make_page_pictures.py takes the page's digits from it. docs/img/digit.png and
docs/img/lower-half.png: the first of these digits and the mask, as input for the README's commands.
"""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import numpy.typing as npt
import typer
from PIL import Image

if TYPE_CHECKING:
    from model_core import Model

Picture = npt.NDArray[np.uint8]

GIVEN = np.array([110, 170, 255])
DRAWN = np.array([255, 255, 255])
LINE = 60
DIGITS = 8
DRAWS = 8
SEED, SCALE = 2016, 3


def main(
    model: Annotated[str, typer.Argument(help="A model's name or directory.")],
    mnist: Annotated[
        Path, typer.Argument(help="MNIST's IDX files, or the binarized MNIST files.")
    ],
    out: Annotated[Path, typer.Option(help="Where the pictures go.")] = Path(
        "docs/img"
    ),
    seed: Annotated[
        int, typer.Option(help="The completions take those after it.")
    ] = SEED,
    first: Annotated[
        int,
        typer.Option(
            help="The first of the eight digits; the others follow evenly spaced."
        ),
    ] = 0,
    scale: Annotated[
        int, typer.Option(help="Pixels of the picture for each pixel of an image.")
    ] = SCALE,
) -> None:
    """Draw them all; takes about as long as 64 images do."""
    from model_core import load_model
    from model_core.data.datasets import read_dataset

    loaded = load_model(model)
    draw(loaded, read_dataset(mnist, "test", loaded.config), out, seed, first, scale)


def draw(
    model: "Model",
    images: Picture,
    out: Path,
    seed: int = SEED,
    first: int = 0,
    scale: int = SCALE,
) -> None:
    """All pictures of a model, from test images (N, C, H, W)."""
    digits = images[first :: len(images) // DIGITS][
        :DIGITS
    ]  # some data sets are sorted by class
    out.mkdir(parents=True, exist_ok=True)
    save_inputs(pixels_of(digits[0], model), out)
    save(completions(model, digits, seed), out / "completions.png", scale)


def save_inputs(digit: Picture, out: Path) -> None:
    """A digit (1, H, W) and the mask that asks for its lower half, white = fill."""
    mask = np.zeros_like(digit[0])
    mask[len(mask) // 2 :] = 255
    save(digit[0], out / "digit.png")
    save(mask, out / "lower-half.png")


def completions(model: "Model", digits: npt.NDArray[np.integer], seed: int) -> Picture:
    """A row for each digit (N, C, H, W): itself, and its upper half completed DRAWS times."""
    import torch

    from model_core import sample

    _, _, H, W = digits.shape
    keep = np.arange(H)[:, None].repeat(W, axis=1) < H // 2  # (H, W)
    rows = []
    for i, digit in enumerate(digits):
        drawn = pixels_of(
            sample(
                model,
                DRAWS,
                seed + 1 + i,
                known=torch.from_numpy(digit).long(),
                keep=torch.from_numpy(keep),
            ),
            model,
        )
        original = tint(pixels_of(digit, model), given=np.ones_like(keep))
        rows.append([original, *(tint(image, given=keep) for image in drawn)])
    return side_by_side(rows)


def tint(pixels: Picture, given: npt.NDArray[np.bool_] | None = None) -> Picture:
    """A picture (C, H, W) as (H, W, 3), given pixels (H, W) in blue."""
    colour = DRAWN if given is None else np.where(given[..., None], GIVEN, DRAWN)
    return (pixels.transpose(1, 2, 0) * (colour / 255)).astype(np.uint8)


def pixels_of(values: npt.ArrayLike, model: "Model") -> Picture:
    """Values (N, C, H, W) as pixels, of a palette in RGB on white."""
    from model_core.data.palette import colours_of
    from model_core.data.pixels import values_to_pixels

    if not model.card.palette:
        return values_to_pixels(np.asarray(values), model.config.values)
    colours = colours_of(model.card.palette).astype(int)
    on_white = 255 + (colours[:, :3] - 255) * colours[:, 3:] // 255
    return on_white.astype(np.uint8)[np.asarray(values)[:, 0]].transpose(0, 3, 1, 2)


def side_by_side(rows: list[list[Picture]]) -> Picture:
    """Pictures of one size in rows and columns, a grey line around each."""
    framed = [
        [
            np.pad(picture, ((0, 1), (0, 1), (0, 0)), constant_values=LINE)
            for picture in row
        ]
        for row in rows
    ]
    joined = np.concatenate([np.concatenate(row, axis=1) for row in framed], axis=0)
    return np.pad(joined, ((1, 0), (1, 0), (0, 0)), constant_values=LINE)


def save(picture: Picture, path: Path, scale: int = 1) -> None:
    Image.fromarray(picture.repeat(scale, axis=0).repeat(scale, axis=1)).save(
        path, optimize=True
    )
    typer.echo(path)


if __name__ == "__main__":
    typer.run(main)
