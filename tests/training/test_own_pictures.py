"""docs/train-your-own.md from its first command to its last, on pictures of its own and a tiny network."""

import json
import os
import shlex
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.house.processes import eventually
from tests.house.running import READY_LIMIT_S, ForkedUp, Up
from tests.nursery import ended

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "train-your-own.md"
TINY = {
    "network.height": 6,
    "network.width": 6,
    "network.layers": 1,
    "network.hidden": 6,
    "network.head": 6,
    "training.epochs": 1,
    "training.batch": 8,
    "output.samples": 1,
    "output.tensorboard": "false",
}

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux",
        reason="starts everything, as tests/house/test_up.py does",
    ),
]


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Forty small pictures in two subfolders, and one file that only looks like one."""
    random = np.random.default_rng(0)
    for i in range(40):
        path = (
            tmp_path
            / "pictures"
            / ("day", "night")[i % 2]
            / f"{i}.{('png', 'jpg')[i % 2]}"
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(
            random.integers(0, 256, (8 + i % 3, 9, 3)).astype(np.uint8)
        ).save(path)
    (tmp_path / "pictures" / "broken.png").write_bytes(b"not a picture")
    return tmp_path / "pictures"


def commands(verb: str, pictures: Path) -> list[list[str]]:
    """The page's commands of this verb in their order, with our folder."""
    lines = [
        line
        for line in PAGE.read_text().splitlines()
        if line.startswith(f"pixelrnn {verb} ")
    ]
    for told, ours in (("~/pictures", str(pictures)), ("configs/", f"{ROOT}/configs/")):
        lines = [line.replace(f" {told}", f" {shlex.quote(ours)}") for line in lines]
    return [shlex.split(line) for line in lines]


@pytest.fixture
def trained(pictures: Path, tmp_path: Path) -> Path:
    """Where the page's training and evaluation commands were run."""
    sizes = [
        word for key, value in TINY.items() for word in ("--set", f"{key}={value}")
    ]
    environment = {**os.environ, "PIXELRNN_CACHE_DIR": str(tmp_path / "cache")}
    _, train, _, train_on = ([*words, *sizes] for words in commands("train", pictures))
    train += ["--set", "training.start="]  # of another network
    for words in (train, *commands("evaluate", pictures), train_on):
        done = ended(*words, environment=environment, directory=tmp_path)
        assert done.returncode == 0, done.stderr
        assert "Traceback" not in done.stderr
    return tmp_path


@pytest.fixture
def served(trained: Path) -> Iterator[Up]:
    """`pixelrnn up` on what was trained."""
    up = ForkedUp(trained / "data", trained / "my-models")
    try:
        up.wait_until_ready()
        yield up
    finally:
        if up.process.poll() is None:
            up.output()


def test_a_folder_of_pictures_becomes_a_model_in_the_api(
    served: Up, pictures: Path, trained: Path
) -> None:
    """train, evaluate and up, as the page says: the model is listed with its score, and draws."""
    assert (trained / "runs" / "my-pictures" / "samples" / "epoch-0001.png").is_file()
    (up,) = commands("up", pictures)
    assert " ".join(up).endswith("pixelrnn up --models-dir my-models")
    recipe = json.loads(
        (trained / "runs" / "my-pictures-2" / "recipe.json").read_text()
    )
    assert recipe["training"]["start"] == "my-models/my-pictures"
    (model,) = served.get("/models")["models"]
    assert model["name"] == "my-pictures"
    assert (
        "pictures (a folder of pictures: centre crop, lanczos resize" in model["data"]
    )
    assert model["test_bits_per_dim"] == pytest.approx(8.0, abs=0.5)
    job = served.post("/sample", {"model": "my-pictures", "n": 2})
    assert eventually(
        lambda: served.get(f"/jobs/{job['id']}?wait=10")["status"] == "succeeded",
        READY_LIMIT_S,
    )
