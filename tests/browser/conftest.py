"""The playground in a real browser, on the whole service with models small enough to draw in a second."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixelrnn.up import is_ready
from tests.browser.site import Site, chromium_path
from tests.house.processes import eventually
from tests.house.running import Up

STEP_DELAY_S = "0.01"
"""Between two steps of the engine: slow enough that a page can be looked at while it fills."""

READY_LIMIT_S = 150.0
"""On a busy machine that compiles everything for the first time."""


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """Chromium without a window."""
    playwright = pytest.importorskip("playwright.sync_api", reason="needs playwright (the extra `dev`)")
    executable = chromium_path()
    if executable is None:
        pytest.skip("needs chromium (Debian: apt-get install chromium; elsewhere set PIXELRNN_CHROMIUM to its path)")
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=executable, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="session")
def scaled_models_dir(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`models_dir`, and `tiny-scales`: 4 values, 3 colours, from 3 x 2 to 6 x 4."""
    from model_core import save_model, untrained

    directory = tmp_path_factory.mktemp("scaled") / "models"
    shutil.copytree(models_dir, directory)
    sizes = {"layers": 1, "hidden": 6, "head": 8, "small_layers": 1, "small_hidden": 6, "conditioning": 4}
    shape = {"height": 6, "width": 4, "factor": 2, "channels": 3, "values": 4}
    save_model(untrained("cifar10-multi-scale", seed=4, **sizes, **shape), directory / "tiny-scales")
    return directory


@pytest.fixture(scope="session")
def service(browser: Any, scaled_models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """All processes; asked for after the browser, so that nothing is started where there is none."""
    running = Up(tmp_path_factory.mktemp("data"), scaled_models_dir, PIXELRNN_STEP_DELAY_S=STEP_DELAY_S)
    assert eventually(lambda: is_ready(running.url), READY_LIMIT_S), running.output()
    yield running
    running.output()


@pytest.fixture
def site(browser: Any, service: Up) -> Iterator[Site]:
    """A fresh browser profile at the page. At the end nothing may have gone wrong in it unseen."""
    context = browser.new_context(base_url=service.url, viewport={"width": 1280, "height": 900})
    opened = Site(context, service)
    yield opened
    context.close()
    assert opened.complaints == []
