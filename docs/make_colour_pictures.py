"""Make the picture of small images that a Multi-Scale model upsamples, several times each.

    python docs/make_colour_pictures.py DIRECTORY_OF_CIFAR10

docs/img/upsampling.png, of the first Multi-Scale model in models/: in each row a small test image (every pixel
enlarged), the image that it was taken from, and 6 draws.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from make_pictures import Picture, save, side_by_side

from model_core import Model, load_model, model_names, upsample
from model_core.data.datasets import read_dataset
from model_core.data.pixels import values_to_pixels
from model_core.layers.conditioning import subsample

SMALL_IMAGES, DRAWS = 5, 6
SEED, SCALE = 2016, 2


def main(
    cifar10: Annotated[Path, typer.Argument(help="CIFAR-10, in either of its official layouts.")],
    models_dir: Annotated[Path, typer.Option(help="Where the models are.")] = Path("models"),
    out: Annotated[Path, typer.Option(help="Where the pictures go.")] = Path("docs/img"),
    seed: Annotated[int, typer.Option(help="The upsamplings take those after it.")] = SEED,
    scale: Annotated[int, typer.Option(help="Pixels of the picture for each pixel of an image.")] = SCALE,
) -> None:
    """Draw it; takes about as long as 30 images do."""
    models = [load_model(name, models_dir=models_dir) for name in model_names(models_dir)]
    for model in [model for model in models if model.config.channels == 3 and model.config.multi_scale][:1]:
        draw(model, cifar10, out, seed, scale)


def draw(model: Model, cifar10: Path, out: Path, seed: int = SEED, scale: int = SCALE) -> None:
    """upsampling.png."""
    save(upsamplings(model, read_dataset(cifar10, "test", model.config), seed), out / "upsampling.png", scale)


def upsamplings(model: Model, images: np.ndarray, seed: int) -> Picture:
    """A row for each of some images (N, 3, H, W): small, as it was, and drawn DRAWS times from the small one."""
    factor = model.config.factor
    rows = []
    for i, image in enumerate(images[:: len(images) // SMALL_IMAGES][:SMALL_IMAGES]):
        whole = torch.from_numpy(image).long()
        small = subsample(whole, factor)
        enlarged = small.repeat_interleave(factor, -1).repeat_interleave(factor, -2)
        drawn = upsample(model, small, DRAWS, seed + 1 + i)
        rows.append(_pictures(torch.cat([torch.stack([enlarged, whole]), drawn]), model))
    return side_by_side(rows)


def _pictures(values: torch.Tensor, model: Model) -> list[Picture]:
    pixels = values_to_pixels(values.cpu().numpy(), model.config.values)
    return list(pixels.transpose(0, 2, 3, 1))


if __name__ == "__main__":
    typer.run(main)
