"""How surely the grey picture is known that a binary image was drawn from: the figures in docs/data.md.

python benchmarks/originals.py --data data/binarized-mnist --originals data/mnist [--limit N]
"""

from pathlib import Path
from typing import Annotated

import numpy as np
import typer

from model_core.config import preset
from model_core.data.datasets import read_dataset
from model_core.data.originals import most_likely
from model_core.data.splits import spread


def main(
    data: Annotated[Path, typer.Option(help="Binarized MNIST.")],
    originals: Annotated[Path, typer.Option(help="MNIST in greys.")],
    limit: Annotated[int, typer.Option(help="Images of each split, spread evenly; 0 takes all.")] = 0,
) -> None:
    """Print the margin of the best picture over the next, and how many training images share one with validation."""
    config = preset("mnist-pixelcnn")
    greys = [read_dataset(originals, split, config.with_overrides(values=256)) for split in ("train", "valid")]
    flat = np.concatenate(greys).reshape(-1, config.height * config.width)
    images = {split: spread(read_dataset(data, split, config), limit) for split in ("train", "valid")}
    found = {split: most_likely(values.reshape(len(values), -1), flat) for split, values in images.items()}
    margins = np.concatenate([margin for _, margin in found.values()])
    typer.echo(f"{len(margins)} images: the next picture is {np.median(margins):.0f} nats behind in the median")
    for nats in (1, 5, 10):
        typer.echo(f"less than {nats}: {(margins < nats).mean():.1%}")
    shared = np.isin(found["train"][0], found["valid"][0]).sum()
    typer.echo(f"{shared} of {len(images['train'])} training images fit a picture that a validation image fits best")


if __name__ == "__main__":
    typer.run(main)
