"""The playground in a real browser, on the whole service with models small enough to draw in a second."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.browser.site import Profile, Site, chromium_path
from tests.data.serving import serving
from tests.house.running import ForkedUp, Up

STEP_DELAY_S = "0.01"
"""Between two steps of the engine: slow enough that a page can be looked at while it fills."""
EXAMPLE_PAGE = Path(__file__).parents[2] / "examples" / "page"


@pytest.fixture(scope="package")
def browser() -> Iterator[Any]:
    """Chromium without a window. Gone before other packages' tests: while it is there, an event loop runs."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright (the extra `dev`)"
    )
    executable = chromium_path()
    if executable is None:
        pytest.skip(
            "needs chromium (Debian: apt-get install chromium; elsewhere set PIXELRNN_CHROMIUM to its path)"
        )
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with playwright.sync_playwright() as running:
        chromium = running.chromium.launch(executable_path=executable, args=arguments)
        yield chromium
        chromium.close()


@pytest.fixture(scope="package")
def example_page() -> Iterator[str]:
    """Where examples/page is: another origin, whose pages the service lets in."""
    with serving(EXAMPLE_PAGE) as url:
        yield url


@pytest.fixture(scope="package")
def service(
    browser: Any,
    example_page: str,
    all_models_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Up]:
    """All processes; asked for after the browser, so that nothing is started where there is none."""
    portable = str(tmp_path_factory.mktemp("portable"))
    settings = {"PIXELRNN_STEP_DELAY_S": STEP_DELAY_S, "PIXELRNN_ORIGINS": example_page}
    settings["PIXELRNN_PORTABLE_DIR"] = portable
    with ForkedUp(
        tmp_path_factory.mktemp("data"), all_models_dir, **settings
    ) as running:
        yield running


@pytest.fixture(scope="module")
def profile(browser: Any, service: Up) -> Iterator[Profile]:
    """The profile in which `site` opens its pages. Some files have a service of their own."""
    profile = Profile(browser, service.url)
    yield profile
    profile.context.close()


@pytest.fixture
def site(profile: Profile, service: Up) -> Iterator[Site]:
    """A new page in a profile that remembers nothing. At the end nothing may have gone
    wrong in it unseen."""
    opened = Site(profile.context, service)
    yield opened
    profile.clear()
    assert opened.complaints == []
