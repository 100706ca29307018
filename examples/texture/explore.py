"""Draws a field of a texture beside the photograph that the model was trained on.

    python examples/texture/explore.py texture/gravel.png --models-dir my-models --model my-texture --out pictures

writes field.png: above the upper half of the photograph, in the values of the model, below a field of its width and
half its height, of seed 2016. Says how likely the model finds each tenth of the photograph, from left to right: the
last two were not trained on.
"""

import argparse
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from model_core import load_model, log_likelihood, sample
from model_core.data.images import read_nearest
from model_core.data.pixels import values_to_pixels

SEED, SCALE, LINE, PARTS = 2016, 3, 2, 10
Values = NDArray[np.uint8]
"""(1, H, W)"""


def beside(photograph: Values, drawn: Values, levels: int) -> Image.Image:
    """One above the other, a grey line between, each pixel a square."""
    line = np.full((LINE, drawn.shape[2]), 128, np.uint8)
    shown = [values_to_pixels(values[0], levels) for values in (photograph, drawn)]
    return Image.fromarray(
        np.concatenate([shown[0], line, shown[1]]).repeat(SCALE, 0).repeat(SCALE, 1)
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("picture", type=Path, help="what make_texture.py wrote")
    parser.add_argument("--model", default="texture")
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--out", type=Path, default=Path(), help="a folder")
    asked = parser.parse_args()
    model = load_model(asked.model, models_dir=asked.models_dir)
    photograph, _ = read_nearest(asked.picture, model.config, field=True)
    height, width = photograph.shape[1] // 2, photograph.shape[2]
    field = sample(model, 1, SEED, size=(width, height))[0].numpy().astype(np.uint8)
    asked.out.mkdir(parents=True, exist_ok=True)
    beside(photograph[:, :height], field, model.config.values).save(
        asked.out / "field.png"
    )
    bits = []
    for part in np.array_split(photograph, PARTS, axis=2):
        values = torch.from_numpy(part[None].astype(np.int64))
        bits.append(-float(log_likelihood(model, values)) / (part.size * np.log(2)))
    print("bits a pixel of each tenth:", ", ".join(f"{each:.3f}" for each in bits))


if __name__ == "__main__":
    main()
