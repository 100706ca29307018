"""The emoji that the page's Teach brings along: 200 of Noto Emoji, 24 x 24 pixels in 16 colours, as a zip.

    python examples/emoji/make_taught_set.py app/playground/img/emoji.zip data/emoji/node_modules/@iconify-json/noto

takes the smileys, then animals' faces and other animals, in the order of their names. Every picture has the same
16 colours, the mean of all, without dither; the files are the same bytes each time.
"""

import argparse
import io
import zipfile
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from make_emoji import drawn, named, read
from PIL import Image

SIDE, COLOURS, COUNT = 24, 16, 200
GROUPS = ("Smileys & Emotion", "Animals & Nature")
LONG_AGO = (1980, 1, 1, 0, 0, 0)


def chosen(groups: Mapping[str, Sequence[str]], drawings: Collection[str]) -> list[str]:
    """COUNT names that have a drawing: first the smileys, last the animals that have more than a face."""
    faces, animals = (
        sorted(set(groups[group]).intersection(drawings)) for group in GROUPS
    )
    return [*faces, *sorted(animals, key=lambda name: "face" not in name)][:COUNT]


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="the zip to write")
    parser.add_argument("set", type=Path, help="folder of the package")
    asked = parser.parse_args()
    svgs = dict(named(read(asked.set / "icons.json")))
    names = chosen(read(asked.set / "metadata.json")["categories"], svgs)
    pictures = [Image.fromarray(drawn(svgs[name], SIDE)) for name in names]
    together = Image.new("RGB", (SIDE, SIDE * len(pictures)))
    for i, picture in enumerate(pictures):
        together.paste(picture, (0, i * SIDE))
    palette = together.quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=10)
    with zipfile.ZipFile(asked.out, "w", zipfile.ZIP_STORED) as archive:
        for name, picture in zip(names, pictures, strict=True):
            file = io.BytesIO()
            picture.quantize(palette=palette, dither=Image.Dither.NONE).save(
                file, "PNG", optimize=True, bits=4
            )
            archive.writestr(zipfile.ZipInfo(f"{name}.png", LONG_AGO), file.getvalue())
    print(f"{asked.out}: {len(pictures)} pictures, {asked.out.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
