"""The characters of a font as a data set: black and white, 16 x 16, 1 where there is ink.

    python examples/characters/glyphs.py characters.npz --font /usr/share/fonts/opentype/unifont/unifont.otf

writes the arrays train, valid and test, and `codes`, the code points of all of them in that order. The font is GNU
Unifont (Debian: apt install fonts-unifont), or another that has a 16-pixel form; --first and --last choose the script.
"""

import argparse
from pathlib import Path
from typing import get_args

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from model_core.data.splits import Split, hashed_split

SIDE = 16
Font = ImageFont.FreeTypeFont | ImageFont.ImageFont


def glyph(font: Font, code: int) -> NDArray[np.uint8]:
    """One character (16, 16), 0 and 1."""
    picture = Image.new("1", (SIDE, SIDE))
    ImageDraw.Draw(picture).text((0, 0), chr(code), font=font, fill=1)
    return np.asarray(picture, np.uint8)


def write(path: Path, font: Font, first: int, last: int) -> dict[str, int]:
    """Draw the characters from first to last, shuffle and split them; returns how many each split has."""
    codes = np.random.default_rng(0).permutation(np.arange(first, last + 1))
    splits = np.array(
        [hashed_split(str(position).encode()) for position in range(len(codes))]
    )
    in_split = {split: codes[splits == split] for split in get_args(Split)}
    arrays = {
        split: np.array([glyph(font, code) for code in chosen])
        for split, chosen in in_split.items()
    }
    arrays["codes"] = np.concatenate(list(in_split.values()))
    np.savez_compressed(path, allow_pickle=False, **arrays)
    return {split: len(chosen) for split, chosen in in_split.items()}


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path)
    parser.add_argument("--font", required=True, help="a .otf, .ttf or .ttc file")
    parser.add_argument(
        "--first",
        type=lambda code: int(code, 16),
        default=0x4E00,
        help="code point [default: 4E00]",
    )
    parser.add_argument(
        "--last",
        type=lambda code: int(code, 16),
        default=0x9FA5,
        help="code point [default: 9FA5]",
    )
    asked = parser.parse_args()
    try:
        font = ImageFont.truetype(asked.font, SIDE)
    except OSError as error:
        parser.error(f"cannot read the font {asked.font}: {error}")
    print(asked.out, write(asked.out, font, asked.first, asked.last))


if __name__ == "__main__":
    main()
