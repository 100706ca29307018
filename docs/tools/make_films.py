"""Make the films that the playground plays until an engine is ready.

    python docs/tools/make_films.py

app/playground/img/film-NAME.webp: a picture that a model in models/ drew, and what could still have become of it. It is
squares, one below the other: the picture; what each of its pixels cost, in 4096ths of a bit, the high byte and then the
low byte; and for every second row the mean of many endings from there, and three of them.
"""

import math
from pathlib import Path

import numpy as np
import torch
import typer
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from model_core import Model, complete, load_model, sample

OUT = Path("app/playground/img")
FILMS = {"digit": ("mnist-diagonal-bilstm", 5), "character": ("characters", 31)}
"""The model and the seed of each."""
ENDINGS, SHOWN, EVERY = 64, 3, 2
UNITS = 4096
"""Units in a bit; two bytes hold 16 of them, and no pixel of a film costs as much."""

Squares = list[NDArray[np.uint8]]


def main(models_dir: Path = Path("models")) -> None:
    """Draw them; takes some seconds each."""
    for name, (model, seed) in FILMS.items():
        strip = np.concatenate(film(load_model(str(models_dir / model)), seed))
        path = OUT / f"film-{name}.webp"
        Image.fromarray(strip).convert("RGB").save(
            path, lossless=True, quality=100, method=6
        )
        typer.echo(f"{path}: {path.stat().st_size} bytes")


def film(model: Model, seed: int) -> Squares:
    """All squares of it, (H, W) each."""
    picture = sample(model, n=1, seed=seed)  # (1, 1, H, W)
    with torch.inference_mode():
        bits = model.components[0].nats_map(picture)[0, 0].numpy() / math.log(
            2
        )  # (H, W)
    units = np.rint(bits * UNITS).astype(np.uint16)
    squares = [
        _shades(picture[0, 0]),
        (units >> 8).astype(np.uint8),
        (units & 255).astype(np.uint8),
    ]
    for row in range(0, model.config.height, EVERY):
        squares += futures(model, picture[0], row)
    return squares


def futures(model: Model, picture: Tensor, row: int) -> Squares:
    """The mean of all endings of a picture (1, H, W) from a row on, and some of them."""
    keep = torch.zeros(picture.shape[1:], dtype=torch.bool)
    keep[:row] = True
    endings = complete(model, picture, keep, n=ENDINGS, seed=row).values[
        :, 0
    ]  # (n, H, W)
    return [
        _shades(endings.double().mean(0)),
        *(_shades(one) for one in endings[:SHOWN]),
    ]


def _shades(values: Tensor) -> NDArray[np.uint8]:
    """0 to 1 -> 0 to 255."""
    return np.rint(values.numpy() * 255).astype(np.uint8)


if __name__ == "__main__":
    typer.run(main)
