"""The whole service on models small enough to draw in milliseconds."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from model_core import save_model, untrained
from tests.house.running import Up


@pytest.fixture(scope="session")
def all_models_dir(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`models_dir`, and `tiny-scales`: 4 values, 3 colours, from 3 x 2 to 6 x 4."""
    directory = tmp_path_factory.mktemp("all") / "models"
    shutil.copytree(models_dir, directory)
    sizes = {"layers": 1, "hidden": 6, "head": 8, "small_layers": 1, "small_hidden": 6, "conditioning": 4}
    shape = {"height": 6, "width": 4, "factor": 2, "channels": 3, "values": 4}
    save_model(untrained("cifar10-multi-scale", seed=4, **sizes, **shape), directory / "tiny-scales")
    return directory


@pytest.fixture(scope="session")
def service(all_models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Its URL, with all of its processes."""
    running = Up(tmp_path_factory.mktemp("data"), all_models_dir, PIXELRNN_STEP_DELAY_S="0.01")
    running.wait_until_ready()
    yield running.url
    running.output()
