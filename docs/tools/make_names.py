"""Draw the pictures of 24 names for README and docs/addresses.md.

python docs/tools/make_names.py
"""

import io
from pathlib import Path

from PIL import Image

from model_core import load_model
from pixelrnn.addressed import addressed

OUT = Path("docs/img/names.png")
NAMES = [
    *("alice", "bob", "carol", "dave", "erin", "frank", "grace", "heidi"),
    *("ivan", "judy", "kim", "leo", "mia", "noor", "olga", "peter"),
    *("quinn", "rosa", "sam", "tom", "uma", "victor", "wendy", "zoe"),
]
COLUMNS, SCALE, GAP = 12, 3, 4


def main() -> None:
    sprites = load_model("sprites")
    pictures = [
        Image.open(io.BytesIO(addressed(sprites, name, scale=SCALE))).convert("RGBA")
        for name in NAMES
    ]
    width, height = pictures[0].width + GAP, pictures[0].height + GAP
    rows = len(NAMES) // COLUMNS
    strip = Image.new("RGB", (COLUMNS * width - GAP, rows * height - GAP), "white")
    for i, picture in enumerate(pictures):
        place = i % COLUMNS * width, i // COLUMNS * height
        strip.paste(picture, place, mask=picture)
    strip.quantize(64).save(OUT, optimize=True)


if __name__ == "__main__":
    main()
