"""A photograph of a texture, made small and of good contrast, as a folder to train on.

    python examples/texture/make_texture.py gravel.png texture

writes texture/gravel.png, grey, with the shorter side of 256 pixels. The darkest and the brightest hundredth of its
pixels become black and white.
"""

import argparse
from pathlib import Path

from PIL import Image, ImageOps

SIDE, CUT_PERCENT = 256, 1


def texture(picture: Image.Image) -> Image.Image:
    """The picture as it is trained on."""
    share = SIDE / min(picture.size)
    size = round(picture.width * share), round(picture.height * share)
    return ImageOps.autocontrast(
        picture.convert("L").resize(size, Image.Resampling.BOX), cutoff=CUT_PERCENT
    )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "picture", type=Path, help="a photograph, such as scikit-image's gravel.png"
    )
    parser.add_argument("out", type=Path, help="a folder")
    asked = parser.parse_args()
    try:
        with Image.open(asked.picture) as picture:
            made = texture(picture)
    except OSError as error:
        parser.error(f"cannot read {asked.picture}: {error}")
    asked.out.mkdir(parents=True, exist_ok=True)
    made.save(asked.out / f"{asked.picture.stem}.png")
    print(f"{asked.out / asked.picture.stem}.png: {made.width} x {made.height}")


if __name__ == "__main__":
    main()
