"""Pictures to train on, for tests of trainings."""

import io
import random
import zipfile
from pathlib import Path
from typing import Any

from PIL import Image

from model_core.card import Card
from model_core.training.publish import publish
from model_core.training.recipe import Recipe
from model_core.training.run import RunRequest, train


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


def unbroken_digest(recipe: dict[str, Any], place: Path) -> str:
    """Train without a service on place/pictures; return the digest of the weights."""
    recipe["data"]["path"] = str(place / "pictures")
    train(RunRequest(Recipe.model_validate(recipe), place / "run" / "corners"))
    best = place / "run" / "corners" / "best.safetensors"
    return Card.read(publish(best, place / "published") / "card.json").sha256
