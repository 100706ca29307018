"""Draws sprites and fills holes, each beside the sprite it was trained on that is nearest to it.

    python examples/sprites/explore.py sprites.npz --models-dir my-models --model my-sprites --out pictures

writes drawn.png, 48 samples, a row of 12 of each kind, and completed.png, 24 test sprites: what is given (the hole in
grey), the completion, and the sprite as it is. Under each picture stands the training sprite from which the fewest of
its pixels differ. No picture is left out. Says how many pixels differ.
"""

import argparse
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from model_core import load_model, sample
from model_core.data.palette import gap_of, indexed
from model_core.models import Model
from model_core.posterior.completion import complete

SEED, SIDE, COLUMNS, SCALE = 2016, 16, 12, 3
Sprites = NDArray[np.uint8]
"""(N, 16, 16)"""


def nearest(sprites: Sprites, known: Sprites) -> tuple[Sprites, NDArray[np.int64]]:
    """The known sprite with the fewest other pixels than each, and how many these are."""
    apart = np.array([(known != sprite).sum((1, 2)) for sprite in sprites])
    return known[apart.argmin(1)], apart.min(1)


def holes() -> list[NDArray[np.bool_]]:
    """keep (16, 16): the lower half, the right half, the upper half and the middle are to be filled."""
    kept = [np.ones((SIDE, SIDE), np.bool_) for _ in range(4)]
    for keep, place in zip(
        kept, (np.s_[8:], np.s_[:, 8:], np.s_[:8], np.s_[4:12, 4:12]), strict=True
    ):
        keep[place] = False
    return kept


def table(rows: list[Sprites], model: Model) -> Image.Image:
    """Rows of sprites, a grey line around each."""
    gap = gap_of(model.card.palette)
    framed = [
        np.concatenate(
            [np.pad(one, ((0, 1), (0, 1)), constant_values=gap) for one in row], 1
        )
        for row in rows
    ]
    values = np.concatenate(framed).repeat(SCALE, 0).repeat(SCALE, 1)
    return indexed(values.astype(np.uint8), model.card.palette)


def drawn(model: Model, known: Sprites, out: Path) -> None:
    """Write the samples."""
    names = [label.name for label in model.card.labels]
    asked = [name for name in names for _ in range(COLUMNS)]
    sprites = (
        sample(model, len(asked), SEED, label=asked)[:, 0].numpy().astype(np.uint8)
    )
    beside, apart = nearest(sprites, known)
    pairs = [
        part[i : i + COLUMNS]
        for i in range(0, len(sprites), COLUMNS)
        for part in (sprites, beside)
    ]
    table(pairs, model).save(out / "drawn.png", bits=8)
    print(
        f"drawn: {(apart == 0).sum()} of {len(sprites)} are training sprites; the median differs in {told(apart)}"
    )


def completed(model: Model, data: dict[str, Any], out: Path) -> None:
    """Write the completions."""
    test, count = data["test"], 2 * COLUMNS
    chosen, masks = (
        test[np.arange(count) * len(test) // count],
        [holes()[i % 4] for i in range(count)],
    )
    filled, words = list[Sprites](), list[str]()
    for i, (sprite, keep) in enumerate(zip(chosen, masks, strict=True)):
        known = torch.from_numpy(sprite[None].astype(np.int64))
        found = complete(model, known, torch.from_numpy(keep), 1, SEED, first=i)
        filled.append(found.values[0, 0].numpy().astype(np.uint8))
        words.append(str(found.receipt.quality))
    images = np.array(filled)
    beside, apart = nearest(images, data["train"])
    given = np.where(np.array(masks), chosen, gap_of(model.card.palette)).astype(
        np.uint8
    )
    parts = given, images, beside, chosen
    rows = [part[i : i + COLUMNS] for i in range(0, count, COLUMNS) for part in parts]
    table(rows, model).save(out / "completed.png", bits=8)
    tally = ", ".join(f"{words.count(word)} {word}" for word in sorted(set(words)))
    print(
        f"completed: {tally}; {(apart == 0).sum()} are training sprites; the median differs in {told(apart)}"
    )


def told(apart: NDArray[np.int64]) -> str:
    return f"{int(np.median(apart))} of {SIDE * SIDE} pixels from the nearest one"


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path, help="what make_sprites.py wrote")
    parser.add_argument("--model", default="sprites")
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--out", type=Path, default=Path(), help="a folder")
    asked = parser.parse_args()
    model = load_model(asked.model, models_dir=asked.models_dir)
    with np.load(asked.data) as arrays:
        data = {name: arrays[name] for name in ("train", "test")}
    asked.out.mkdir(parents=True, exist_ok=True)
    drawn(model, data["train"], asked.out)
    completed(model, data, asked.out)


if __name__ == "__main__":
    main()
