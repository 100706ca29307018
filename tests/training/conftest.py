"""A data set of stripes and a recipe that trains on it in a second."""

import gzip
import importlib
import struct
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from model_core.training.recipe import Recipe

H, W = 6, 5


@pytest.fixture(scope="session")
def stripes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MNIST's files with 60 training images (50 + 10) and 7 test images of 6 x 5, each with one bright stripe."""
    directory = tmp_path_factory.mktemp("stripes")
    for name, count in (
        ("train-images-idx3-ubyte.gz", 60),
        ("t10k-images-idx3-ubyte.gz", 7),
    ):
        images = np.zeros((count, H, W), np.uint8)
        images[
            np.arange(count), :, np.random.default_rng(count).integers(0, W, count)
        ] = 255
        (directory / name).write_bytes(
            gzip.compress(struct.pack(">IIII", 0x0803, count, H, W) + images.tobytes())
        )
    return directory


@pytest.fixture
def recipe_file(tmp_path: Path, stripes: Path) -> Path:
    """A recipe of 2 epochs of 6 updates; the last 2 of the 50 images do not fill a batch."""
    path = tmp_path / "stripes.toml"
    path.write_text(f"""
        [network]
        preset = "mnist-pixelcnn"
        height = {H}
        width = {W}
        layers = 2
        hidden = 5
        head = 8
        [data]
        path = "{stripes}"
        [training]
        epochs = 2
        batch = 8
        learning_rate = 1e-2
        warmup = 3
        ema = 0.9
        clip = 0.5
        [output]
        log_every = 2
        checkpoint_every = 4
        samples = 0
        tensorboard = false
    """)
    return path


@pytest.fixture
def recipe(recipe_file: Path) -> Recipe:
    """The same, read."""
    return Recipe.load(recipe_file)


@pytest.fixture
def readme_table(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The maker of the README's table, imported as its neighbours import it."""
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "docs" / "tools"))
    return importlib.import_module("readme_table")
