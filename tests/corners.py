"""Pictures to train on, for tests of trainings."""

import io
import random
import zipfile

from PIL import Image


def pictures(count: int) -> bytes:
    """A zip of black squares of 8 x 8 with white corners of many sizes, named so that nobody may hear of it."""
    file, chance = io.BytesIO(), random.Random(1)
    with zipfile.ZipFile(file, "w") as archive:
        for i in range(count):
            picture, png = Image.new("L", (8, 8)), io.BytesIO()
            picture.paste(255, (0, 0, chance.randint(1, 7), chance.randint(1, 7)))
            picture.putpixel((7, chance.randrange(8)), 255)
            picture.save(png, "PNG")
            archive.writestr(f"mine/secret-{i}.png", png.getvalue())
    return file.getvalue()
