"""What is there stays where it is while the rest comes: the cumulative shift of layout."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.site import Site
from tests.data.serving import serving
from tests.house.running import Up
from tests.portable.exporting import export

MOST = 0.02
WATCHED = """window.shifts = [];
new PerformanceObserver((list) => {
  for (const {value, hadRecentInput} of list.getEntries()) if (!hadRecentInput) shifts.push(value);
}).observe({type: "layout-shift", buffered: true});"""
SHIFT = "shifts.reduce((sum, shift) => sum + shift, 0)"
PHONE = {"viewport": {"width": 390, "height": 844}}


def _cold(route: Any) -> None:
    answer = route.fetch()
    told = answer.json()
    cold = [
        model | {"compiling": True, "state": "compiling"} for model in told["models"]
    ]
    route.fulfill(response=answer, json=told | {"models": cold, "portable": []})


def test_cold_start_stands_still(site: Site) -> None:
    """The film begins, and what is said of it comes below."""
    site.page.add_init_script(WATCHED)
    site.page.route("**/models", _cold)
    site.page.goto("/")
    site.view.get_by_text("Recorded earlier").wait_for()
    site.page.wait_for_timeout(1500)
    site.page.unroute_all(
        behavior="ignoreErrors"
    )  # one may be under way when the page is closed
    assert site.page.evaluate(SHIFT) <= MOST


def test_what_it_sees_stands_still_on_a_phone(browser: Any, service: Up) -> None:
    """Its legend waits below the screen for the panels."""
    context = browser.new_context(base_url=service.url, **PHONE)
    site = Site(context, service)
    site.page.add_init_script(WATCHED)
    site.open("sight")
    site.view.get_by_text("earlier pixels").nth(1).wait_for()
    assert site.page.evaluate(SHIFT) <= MOST
    context.close()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Where the page is without a service, with shipped models of five kinds."""
    models = (
        "mnist-diagonal-bilstm",
        "characters",
        "maps",
        "gravel",
        "cifar10-small-pixelcnn",
    )
    site = tmp_path_factory.mktemp("site")
    done = export(site, *models)
    assert done.returncode == 0, done.stderr
    with serving(site) as url:
        yield url


@pytest.mark.parametrize(
    ("place", "there"),
    [
        ("watch", "[data-live=true]"),
        ("bet", "form"),
        ("real", ".glyph"),
        ("inspect", ".belief"),
    ],
)
@pytest.mark.parametrize("size", [(390, 844), (1366, 768)], ids=["phone", "desk"])
def test_folder_stands_still_in_german(
    browser: Any, folder: str, size: tuple[int, int], place: str, there: str
) -> None:
    """However many kinds it has, and however long its words are: on a phone the kinds are one row."""
    context = browser.new_context(
        locale="de-DE", viewport=dict(zip(("width", "height"), size, strict=True))
    )
    page = context.new_page()
    page.add_init_script(WATCHED)
    page.goto(f"{folder}/#{place}")
    page.locator(f"#view-{place}{there}, #view-{place} {there}").first.wait_for()
    page.wait_for_timeout(1000)
    assert page.evaluate(SHIFT) <= MOST
    context.close()
