"""examples/typescript: a program on the types of openapi-typescript, built and run as its README says."""

import io
import json
import math
import re
import shutil
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from tests.client.tools import NODE_MODULES, PROGRAMS, ROOT, needs_node, run

EXAMPLE = ROOT / "examples" / "typescript"


@pytest.fixture
def built(tmp_path: Path) -> Path:
    """A copy of the example, as far below openapi.json as the original, type-checked and compiled."""
    folder = tmp_path / "examples" / "typescript"
    sources = shutil.ignore_patterns("node_modules", "schema.ts", "*.js")
    shutil.copytree(EXAMPLE, folder, ignore=sources)
    shutil.copy(ROOT / "openapi.json", tmp_path)
    (folder / "node_modules").symlink_to(NODE_MODULES)
    run("npm", "run", "--silent", "build", cwd=folder)
    return folder


@needs_node
def test_rows_are_shown_and_the_picture_is_saved(service: str, built: Path) -> None:
    """The rows on the terminal are those of the picture, the brighter the fuller; it is the one that its seed gives."""
    for model in (
        "tiny-cnn",
        "tiny-scales",
    ):  # in black and white; in colour, of two stages
        *rows, saved = run(
            "npm",
            "run",
            "--silent",
            "draw",
            "--",
            model,
            "drawn.png",
            service,
            cwd=built,
        ).splitlines()
        seed = int(re.fullmatch(rf"drawn.png: {model}, seed (\d+)", saved)[1])  # pyright: ignore[reportOptionalSubscript]
        with httpx.Client(
            base_url=service,
            headers={"Prefer": "wait=30", "Accept": "image/png"},
            timeout=60,
        ) as plain:
            png = plain.post("/sample", json={"model": model, "seed": seed}).content
        with (
            Image.open(built / "drawn.png") as drawn,
            Image.open(io.BytesIO(png)) as again,
        ):
            assert drawn.size == (8 * again.width, 8 * again.height)
            assert (
                drawn.resize(again.size, Image.Resampling.NEAREST).tobytes()
                == again.tobytes()
            )
            colours = np.asarray(again).reshape(again.height, again.width, -1).mean(2)
            assert rows == [
                "".join(2 * " ░▒▓█"[math.floor(each / 64 + 0.5)] for each in row)
                for row in colours
            ]


def test_the_example_asks_for_the_packages_that_are_tested() -> None:
    """Every version is that of tests/client/programs, whose packages the test above runs it with."""
    wanted, tested = (
        package.get("dependencies", {}) | package["devDependencies"]
        for package in (
            json.loads((folder / "package.json").read_text("utf-8"))
            for folder in (EXAMPLE, PROGRAMS)
        )
    )
    assert wanted.items() <= tested.items()
