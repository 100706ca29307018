"""Sprites of DawnLike as a data set: 16 x 16 pixels of 16 colours and the transparent one, as categories.

    python examples/sprites/make_sprites.py DawnLike/ sprites.npz

reads the sheets of characters and items of the set's folder (README.md says how to get it) and writes the arrays train,
valid and test of values 0 to 16, their kinds as labels, and the palette. The two pictures of a sprite that moves are in
one split. Train alone has mirrored copies too, of creatures and people: a sword is always held the same way. --terrain
reads floors, walls, trees and the like instead, which have no kinds.
"""

import argparse
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model_core.data.splits import Split

SIDE = 16
KINDS = ("Creatures", "People", "Gear", "Things")
PEOPLE = {"Humanoid", "Player"}
GEAR = {
    "Ammo",
    "Amulet",
    "Armor",
    "Boot",
    "Glove",
    "Hat",
    "LongWep",
    "MedWep",
    "Ring",
    "Shield",
    "ShortWep",
    "Wand",
}
MIRRORED = {0, 1}
DB16 = (
    *(
        "#140c1c",
        "#452434",
        "#30346d",
        "#4d494d",
        "#864d30",
        "#346524",
        "#d34549",
        "#757161",
    ),
    *(
        "#597dcf",
        "#d37d2c",
        "#8696a2",
        "#6daa2c",
        "#d3aa9a",
        "#6dc3cb",
        "#dbd75d",
        "#dfefd7",
    ),
)
"""DawnBringer's 16 colours, from dark to bright, as the sheets have them."""
PALETTE = ("#00000000", *DB16)
Sprite = NDArray[np.uint8]
"""(16, 16) values."""


def sprites(folder: Path, terrain: bool) -> Iterator[tuple[str, int, Sprite]]:
    """Name, kind and values of each different sprite; the name is one of both pictures of a sprite that moves."""
    seen: set[bytes] = set()
    parts = ("Objects",) if terrain else ("Characters", "Items")
    for sheet in sorted(
        sheet for part in parts for sheet in folder.glob(f"{part}/*.png")
    ):
        group = sheet.stem.rstrip("01")
        is_gear, is_item = group in GEAR, sheet.parent.name != "Characters"
        kind = (2 if is_gear else 3) if is_item else int(group in PEOPLE)
        for place, sprite in _cells(_values(sheet)):
            if sprite.any() and sprite.tobytes() not in seen:
                seen.add(sprite.tobytes())
                yield f"{group} {place}", kind, sprite


def _values(sheet: Path) -> Sprite:
    """A sheet as values (H, W): the nearest colour of the palette, which is the sheet's own but for a few blacks."""
    with Image.open(sheet) as image:
        pixels = np.asarray(image.convert("RGBA")).astype(int)
    colours = np.array(
        [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in DB16]
    )
    nearest = ((pixels[:, :, None, :3] - colours) ** 2).sum(3).argmin(2) + 1
    return np.where(pixels[..., 3] < 128, 0, nearest).astype(np.uint8)


def _cells(sheet: Sprite) -> Iterator[tuple[str, Sprite]]:
    """Each cell of a sheet, with its place."""
    for y in range(0, sheet.shape[0] - SIDE + 1, SIDE):
        for x in range(0, sheet.shape[1] - SIDE + 1, SIDE):
            yield f"{y} {x}", sheet[y : y + SIDE, x : x + SIDE]


def split_of(name: str) -> Split:
    """80, 10 and 10 % by name."""
    share = int(hashlib.sha256(name.encode()).hexdigest(), 16) % 10
    return "valid" if share == 0 else "test" if share == 1 else "train"


def dataset(folder: Path, terrain: bool = False) -> dict[str, NDArray[Any]]:
    """All arrays of the file. ValueError for a folder without sprites."""
    found = list(sprites(folder, terrain))
    if not found:
        raise ValueError(
            f"{folder} has no sheets: expected Characters/, Items/ and Objects/ of DawnLike"
        )
    arrays: dict[str, NDArray[Any]] = {"palette": np.array(PALETTE)}
    if not terrain:
        arrays["label_names"] = np.array(KINDS)
    for split in get_args(Split):
        chosen = [
            (sprite, kind) for name, kind, sprite in found if split_of(name) == split
        ]
        if split == "train":
            chosen += [
                (sprite[:, ::-1], kind) for sprite, kind in chosen if kind in MIRRORED
            ]
        arrays[split] = np.array([sprite for sprite, _ in chosen], np.uint8).reshape(
            -1, SIDE, SIDE
        )
        if not terrain:
            arrays[f"{split}_labels"] = np.array([kind for _, kind in chosen], np.uint8)
    return arrays


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "folder", type=Path, help="DawnLike's folder, with Characters/ and Items/ in it"
    )
    parser.add_argument("out", type=Path, help="the file to write, like sprites.npz")
    parser.add_argument("--terrain", action="store_true")
    asked = parser.parse_args()
    try:
        arrays = dataset(asked.folder, asked.terrain)
    except (OSError, ValueError) as error:
        parser.error(f"cannot read the sprites: {error}")
    np.savez_compressed(asked.out, allow_pickle=False, **arrays)
    print(
        f"{asked.out}: {' / '.join(f'{len(arrays[split]):,}' for split in get_args(Split))} sprites"
    )


if __name__ == "__main__":
    main()
