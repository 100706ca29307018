"""Make the picture of what a colour model draws from test images: enlarged ones, or completed ones.

    python docs/tools/make_colour_pictures.py cifar10-small-pixelcnn DIRECTORY_OF_CIFAR10

docs/img/upsampling-NAME.png, of a Multi-Scale model: 48 test images, or 12 where they have 256 values, spread evenly;
below each other a small one (every pixel enlarged), the image that it was taken from, and a draw at each temperature.
docs/img/completions-NAME.png, of another, as figure 1 of the paper: in each row what is given, 6 completions of the
lower half, and the image that it was taken from.
docs/img/upper-halves-NAME.png, of one with a guide: below each other 12 images, what is given of them, and a completion
without the guide and with it.
"""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from make_pictures import Picture, save, side_by_side

from model_core import Model, complete, load_model, upsample
from model_core.card import Card
from model_core.data.datasets import read_dataset
from model_core.data.pixels import values_to_pixels
from model_core.data.splits import spread
from model_core.layers.conditioning import subsample

IMAGES, DRAWS = 5, 6
"""Completed ones, and how often each."""
ENLARGED, COLUMNS = 48, 12
TEMPERATURES = (1.0, 0.7)
HIDDEN = 90
"""The grey of what is not given."""
SEED, SCALE = 2016, 2


def main(
    name: Annotated[str, typer.Argument(help="The model's name.")],
    data: Annotated[
        Path, typer.Argument(help="The data set whose test images are given.")
    ],
    models_dir: Annotated[Path, typer.Option(help="Where the models are.")] = Path(
        "models"
    ),
    out: Annotated[Path, typer.Option(help="Where the picture goes.")] = Path(
        "docs/img"
    ),
) -> None:
    """Draw it; takes about as long as 100 images of the model do."""
    draw(load_model(name, models_dir=models_dir), data, out)


def is_enlarger(card: Card) -> bool:
    """A colour model of two scales is shown enlarging: its completions do not look behind a hole."""
    return card.config.channels == 3 and card.config.multi_scale


def is_completer(card: Card) -> bool:
    """A colour model of one scale is shown completing."""
    return card.config.channels == 3 and not card.config.multi_scale


def draw(model: Model, data: Path, out: Path) -> None:
    """upsampling-NAME.png of a Multi-Scale model, completions-NAME.png of another."""
    images = read_dataset(data, "test", model.config)
    if is_enlarger(model.card):
        many = (
            ENLARGED if model.config.values < 256 else COLUMNS
        )  # noise makes large files
        save(
            upsamplings(model, spread(images, many), SEED),
            out / f"upsampling-{model.card.name}.png",
            SCALE,
        )
    else:
        few = images[:: len(images) // IMAGES][:IMAGES]
        save(
            completions(model, few, SEED),
            out / f"completions-{model.card.name}.png",
            SCALE,
        )
        if model.guides:
            picture = upper_halves(model, spread(images, COLUMNS), SEED)
            save(picture, out / f"upper-halves-{model.card.name}.png", SCALE)


def completions(model: Model, images: np.ndarray, seed: int) -> Picture:
    """A row for each image (N, 3, H, W): its upper half, completed DRAWS times, and as it was."""
    keep = torch.zeros(images.shape[2:], dtype=torch.bool)
    keep[: len(keep) // 2] = True
    rows = []
    for i, image in enumerate(images):
        whole = torch.from_numpy(image.astype(np.int64))
        drawn = complete(model, whole, keep, DRAWS, seed + 1 + i).values
        first, *others = _pictures(torch.cat([whole[None], drawn]), model)
        rows.append(
            [np.where(keep.numpy()[..., None], first, np.uint8(HIDDEN)), *others, first]
        )
    return side_by_side(rows)


def upper_halves(model: Model, images: np.ndarray, seed: int) -> Picture:
    """A column for each image (N, 3, H, W): as it was, what is given, completed without the guides, and with them."""
    keep = torch.ones(images.shape[2:], dtype=torch.bool)
    keep[: len(keep) // 2] = False
    columns = []
    for i, image in enumerate(images):
        whole = torch.from_numpy(image.astype(np.int64))
        drawn = [
            complete(each, whole, keep, 1, seed + 1 + i).values
            for each in (replace(model, guides=()), model)
        ]
        first, *others = _pictures(torch.cat([whole[None], *drawn]), model)
        columns.append(
            [first, np.where(keep.numpy()[..., None], first, np.uint8(HIDDEN)), *others]
        )
    return side_by_side([list(row) for row in zip(*columns, strict=True)])


def upsamplings(model: Model, images: np.ndarray, seed: int) -> Picture:
    """Bands of COLUMNS images (N, 3, H, W), each one above what it was enlarged to; N is cut to whole bands."""
    columns = [_upsampled(model, image, seed + 1 + i) for i, image in enumerate(images)]
    width = min(COLUMNS, len(columns))
    bands = [
        columns[i : i + width] for i in range(0, len(columns) // width * width, width)
    ]
    return side_by_side(
        [list(row) for band in bands for row in zip(*band, strict=True)]
    )


def _upsampled(model: Model, image: np.ndarray, seed: int) -> list[Picture]:
    """A small image, that which it was taken from (3, H, W), and a draw at each temperature."""
    whole = torch.from_numpy(image.astype(np.int64))
    small = subsample(whole, model.config.factor)
    enlarged = small.repeat_interleave(model.config.factor, -1).repeat_interleave(
        model.config.factor, -2
    )
    drawn = [
        upsample(model, small, 1, seed, temperature=temperature)
        for temperature in TEMPERATURES
    ]
    return _pictures(torch.cat([torch.stack([enlarged, whole]), *drawn]), model)


def _pictures(values: torch.Tensor, model: Model) -> list[Picture]:
    pixels = values_to_pixels(values.cpu().numpy(), model.config.values)
    return list(pixels.transpose(0, 2, 3, 1))


if __name__ == "__main__":
    typer.run(main)
