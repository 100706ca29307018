"""Emoji of several sets as a data set: 32 x 32 pixels in colour on white, 16 values a colour.

    python examples/emoji/make_emoji.py emoji.npz noto twemoji fluent-emoji-flat fxemoji noto-v1 emojione

takes folders of Iconify's packages (README.md says how to get them), of which it reads icons.json, and writes the
arrays train, valid and test, of bytes 0 to 15. Emoji of one name are in one split, whatever their set; copies in a
mirror are in train alone.
"""

import argparse
import hashlib
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

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

TONES = re.compile(r"skin-tone|-skin|(^|-)(medium-)?(light|dark)-|-(medium-)?(light|dark|medium)(-skin)?$")
"""Names of emoji that are there a sixth time; a dozen others, as the light bulb, go with them."""
PEOPLE = re.compile(r"-(man|woman|person|boy|girl)\b|\b(man|woman|person|boy|girl)-")
SPACES = 'xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"'


def named(icons: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Name and SVG of each icon of a set that is neither of a skin tone nor a flag for the second time."""
    for name, icon in icons["icons"].items():
        if not TONES.search(name) and not name.startswith("flag-for-flag"):
            width, height = (icon.get(side, icons.get(side, 16)) for side in ("width", "height"))
            yield name, f'<svg {SPACES} viewBox="0 0 {width} {height}">{icon["body"]}</svg>'


def drawn(svg: str) -> Pictures:
    """The drawing on white, (32, 32, 3); ValueError where it is none."""
    png = resvg_py.svg_to_bytes(svg_string=svg, width=SIDE * FINER, background="#ffffff", skip_system_fonts=True)
    picture = Image.open(io.BytesIO(bytes(png))).convert("RGB")
    return np.asarray(picture.resize((SIDE, SIDE), Image.Resampling.BOX))


def split_of(name: str) -> Split:
    """90, 5 and 5 % by name; a man's, a woman's and a person's emoji of one thing are in one split."""
    share = int(hashlib.sha256(PEOPLE.sub("", name).encode()).hexdigest(), 16) % 100
    return "valid" if share < 5 else "test" if share < 10 else "train"


def dataset(sets: Sequence[Mapping[str, Any]]) -> dict[Split, Pictures]:
    """All different pictures of some sets as values 0..15; the mirrored ones of train come after the others."""
    pictures: dict[bytes, tuple[Split, Pictures]] = {}
    for icons in sets:
        for name, svg in named(icons):
            picture = drawn(svg)
            pictures.setdefault(picture.tobytes(), (split_of(name), picture))
    chosen: dict[Split, list[Pictures]] = {"train": [], "valid": [], "test": []}
    for split, picture in pictures.values():
        chosen[split].append(pixels_to_values(picture, VALUES))
    splits: dict[Split, Pictures] = {split: np.array(each).reshape(-1, SIDE, SIDE, 3) for split, each in chosen.items()}
    splits["train"] = np.concatenate([splits["train"], splits["train"][:, :, ::-1]])
    return splits


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="the file to write, like emoji.npz")
    parser.add_argument("sets", type=Path, nargs="+", help="folders that hold an icons.json each; their order counts")
    asked = parser.parse_args()
    try:
        splits = dataset([json.loads((folder / "icons.json").read_text(encoding="utf-8")) for folder in asked.sets])
    except (OSError, ValueError) as error:
        parser.error(f"cannot read a set: {error}")
    np.savez_compressed(asked.out, allow_pickle=False, **splits)
    print(f"{asked.out}: {' / '.join(f'{len(splits[split]):,}' for split in splits)} pictures")


if __name__ == "__main__":
    main()
