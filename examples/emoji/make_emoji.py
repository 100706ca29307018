"""Emoji of several sets as a data set: 32 x 32 pixels in colour on white, 16 values a colour.

    python examples/emoji/make_emoji.py emoji.npz noto twemoji fluent-emoji-flat fxemoji noto-v1 emojione

takes folders of Iconify's packages (README.md says how to get them), of which it reads icons.json and metadata.json,
and writes the arrays train, valid and test, of bytes 0 to 15, with the group of each emoji as its label. Emoji of one
name are in one split, whatever their set; copies in a mirror are in train alone.
"""

import argparse
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_args

import numpy as np
import resvg_py
from numpy.typing import NDArray
from PIL import Image

from model_core.data.pixels import pixels_to_values
from model_core.data.splits import Split

SIDE, FINER = 32, 4
"""Pixels of a picture, and how much larger it is drawn before it is averaged down."""
VALUES = 16
Pictures = NDArray[np.uint8]
"""(N, 32, 32, 3)"""

GROUPS = (
    "Smileys & Emotion",
    "People & Body",
    "Animals & Nature",
    "Food & Drink",
    "Travel & Places",
    "Activities",
    "Objects",
    "Symbols",
    "Flags",
)
"""Unicode's groups of emoji: https://www.unicode.org/Public/emoji/15.1/emoji-test.txt, without that of skin tones."""
OLDER = {
    "Nature": "Animals & Nature",
    "Food": "Food & Drink",
    "Travel": "Travel & Places",
    "Places": "Travel & Places",
    "Activities": "Activities",
    "Symbols": "Symbols",
    "Flags": "Flags",
}
"""The names of these groups in older sets. Their people are faces too, and their objects food: these say nothing."""

TONES = re.compile(
    r"skin-tone|-skin|(^|-)(medium-)?(light|dark)-|-(medium-)?(light|dark|medium)(-skin)?$"
)
"""Names of emoji that are there a sixth time; a dozen others, as the light bulb, go with them."""
PEOPLE = re.compile(r"-(man|woman|person|boy|girl)\b|\b(man|woman|person|boy|girl)-")
SPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def named(icons: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and SVG of each icon of a set that is neither of a skin tone nor a flag for the second time."""
    for name, icon in icons["icons"].items():
        if not TONES.search(name) and not name.startswith("flag-for-flag"):
            width, height = (
                icon.get(side, icons.get(side, 16)) for side in ("width", "height")
            )
            yield (
                name,
                f'<svg {SPACES} viewBox="0 0 {width} {height}">{icon["body"]}</svg>',
            )


def drawn(svg: str, side: int = SIDE) -> Pictures:
    """The drawing on white, (side, side, 3); ValueError where it is none."""
    png = resvg_py.svg_to_bytes(
        svg_string=svg, width=side * FINER, background="#ffffff", skip_system_fonts=True
    )
    picture = Image.open(io.BytesIO(bytes(png))).convert("RGB")
    return np.asarray(picture.resize((side, side), Image.Resampling.BOX))


def split_of(name: str) -> Split:
    """90, 5 and 5 % by name; a man's, a woman's and a person's emoji of one thing are in one split."""
    share = int(hashlib.sha256(PEOPLE.sub("", name).encode()).hexdigest(), 16) % 100
    return "valid" if share < 5 else "test" if share < 10 else "train"


def groups_of(
    categories: Sequence[Mapping[str, Sequence[str]]],
) -> list[dict[str, str]]:
    """The group of each name of each set, from the names of its categories. A set that has other groups than Unicode's
    takes those of the sets that have them, for names in common, and else guesses by OLDER; some remain without."""
    own = [
        {name: group for group, names in each.items() for name in names}
        for each in categories
    ]
    is_unicodes = [set(each.values()) <= set(GROUPS) for each in own]
    common = {
        name: group
        for each, is_one in zip(own, is_unicodes, strict=True)
        if is_one
        for name, group in each.items()
    }
    for each, is_one in zip(own, is_unicodes, strict=True):
        if not is_one:
            each.update(
                {
                    name: common.get(name) or OLDER.get(group, "")
                    for name, group in each.items()
                }
            )
    return [{name: group for name, group in each.items() if group} for each in own]


def dataset(
    sets: Sequence[Mapping[str, Any]], categories: Sequence[Mapping[str, Sequence[str]]]
) -> dict[str, NDArray[Any]]:
    """All different pictures of some sets as values 0..15, with their groups, and the groups' names. A picture whose
    group is not known is left out; the mirrored ones of train come after the others."""
    pictures: dict[bytes, tuple[Split, Pictures, int]] = {}
    for icons, groups in zip(sets, groups_of(categories), strict=True):
        for name, svg in named(icons):
            if name in groups:
                picture = drawn(svg)
                found = (
                    split_of(name),
                    pixels_to_values(picture, VALUES),
                    GROUPS.index(groups[name]),
                )
                pictures.setdefault(picture.tobytes(), found)
    arrays: dict[str, NDArray[Any]] = {"label_names": np.array(GROUPS)}
    for split in get_args(Split):
        chosen = [
            (picture, label)
            for its, picture, label in pictures.values()
            if its == split
        ]
        images = np.array([picture for picture, _ in chosen], np.uint8).reshape(
            -1, SIDE, SIDE, 3
        )
        labels = np.array([label for _, label in chosen], np.uint8)
        is_train = split == "train"
        arrays[split] = (
            np.concatenate([images, images[:, :, ::-1]]) if is_train else images
        )
        arrays[f"{split}_labels"] = (
            np.concatenate([labels, labels]) if is_train else labels
        )
    return arrays


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the file to write, like emoji.npz")
    parser.add_argument(
        "sets", type=Path, nargs="+", help="folders of the packages; their order counts"
    )
    asked = parser.parse_args()
    try:
        icons = [read(folder / "icons.json") for folder in asked.sets]
        arrays = dataset(
            icons,
            [read(folder / "metadata.json")["categories"] for folder in asked.sets],
        )
    except (OSError, ValueError, KeyError) as error:
        parser.error(f"cannot read a set: {error}")
    np.savez_compressed(asked.out, allow_pickle=False, **arrays)
    print(
        f"{asked.out}: {' / '.join(f'{len(arrays[split]):,}' for split in get_args(Split))} pictures"
    )


def read(path: Path) -> Any:
    """The content of a JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
