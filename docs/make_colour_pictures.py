"""Make the pictures of what colour models draw from test images: enlarged ones, and completed ones.

    python docs/make_colour_pictures.py DIRECTORY_OF_CIFAR10

docs/img/upsampling.png, of the first Multi-Scale model in models/: in each row a small test image (every pixel
enlarged), the image that it was taken from, and 6 draws. docs/img/completions-NAME.png, of each other colour model, as
figure 1 of the paper: in each row what is given, 6 completions of the lower half, and the image that it was taken from.
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from make_pictures import Picture, save, side_by_side

from model_core import Model, complete, load_model, model_names, upsample
from model_core.card import Card
from model_core.data.datasets import read_dataset
from model_core.data.pixels import values_to_pixels
from model_core.layers.conditioning import subsample

IMAGES, DRAWS = 5, 6
HIDDEN = 90
"""The grey of what is not given."""
SEED, SCALE = 2016, 2


def main(
    cifar10: Annotated[Path, typer.Argument(help="CIFAR-10, in either of its official layouts.")],
    models_dir: Annotated[Path, typer.Option(help="Where the models are.")] = Path("models"),
    out: Annotated[Path, typer.Option(help="Where the pictures go.")] = Path("docs/img"),
    seed: Annotated[int, typer.Option(help="The upsamplings take those after it.")] = SEED,
    scale: Annotated[int, typer.Option(help="Pixels of the picture for each pixel of an image.")] = SCALE,
) -> None:
    """Draw them; takes about as long as 30 images of each model do."""
    models = [load_model(name, models_dir=models_dir) for name in model_names(models_dir)]
    colour = [model for model in models if model.config.channels == 3]
    first_of_scales = [model for model in colour if model.config.multi_scale][:1]
    for model in first_of_scales + [model for model in colour if completes_in_colour(model.card)]:
        draw(model, cifar10, out, seed, scale)


def completes_in_colour(card: Card) -> bool:
    """A model's completions are shown unless it has one colour, or two scales, which do not look behind a hole."""
    return card.config.channels == 3 and not card.config.multi_scale


def draw(model: Model, cifar10: Path, out: Path, seed: int = SEED, scale: int = SCALE) -> None:
    """upsampling.png of a Multi-Scale model, completions-NAME.png of another."""
    images = read_dataset(cifar10, "test", model.config)
    images = images[:: len(images) // IMAGES][:IMAGES]
    if model.config.multi_scale:
        save(upsamplings(model, images, seed), out / "upsampling.png", scale)
    else:
        save(completions(model, images, seed), out / f"completions-{model.card.name}.png", scale)


def completions(model: Model, images: np.ndarray, seed: int) -> Picture:
    """A row for each image (N, 3, H, W): its upper half, completed DRAWS times, and as it was."""
    keep = torch.zeros(images.shape[2:], dtype=torch.bool)
    keep[: len(keep) // 2] = True
    rows = []
    for i, image in enumerate(images):
        whole = torch.from_numpy(image).long()
        drawn = complete(model, whole, keep, DRAWS, seed + 1 + i).values
        first, *others = _pictures(torch.cat([whole[None], drawn]), model)
        rows.append([np.where(keep.numpy()[..., None], first, np.uint8(HIDDEN)), *others, first])
    return side_by_side(rows)


def upsamplings(model: Model, images: np.ndarray, seed: int) -> Picture:
    """A row for each of some images (N, 3, H, W): small, as it was, and drawn DRAWS times from the small one."""
    factor = model.config.factor
    rows = []
    for i, image in enumerate(images):
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
