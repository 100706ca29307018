"""What is there stays where it is while the rest comes: the cumulative shift of layout."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.browser.site import Site
from tests.data.serving import serving
from tests.portable.exporting import export

MOST = 0.02
WATCHED = """window.shifts = [];
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) if (!entry.hadRecentInput) shifts.push(entry);
}).observe({type: "layout-shift", buffered: true});"""
SHIFT = """shifts.reduce((window, {value, startTime}) => {
  const goes_on = startTime - window.last < 1000 && startTime - window.first < 5000;
  const sum = goes_on ? window.sum + value : value;
  const first = goes_on ? window.first : startTime;
  return {first, last: startTime, sum, most: Math.max(window.most, sum)};
}, {first: -Infinity, last: -Infinity, sum: 0, most: 0}).most"""
"""As https://web.dev/articles/cls defines it: the largest sum of shifts with less than a
second between them, within five seconds. A sum of all would grow with the time that a
busy machine takes, because words that change while a picture is drawn wrap otherwise."""


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


ROOMS = {
    "draw": "[data-live=true]",
    "bet": "form",
    "real": ".glyph",
    "inspect": ".belief",
}
"""What is there when a room is whole."""


@pytest.mark.parametrize("size", [(390, 844), (1366, 768)], ids=["phone", "desk"])
def test_folder_stands_still_in_german(
    browser: Any, folder: str, size: tuple[int, int]
) -> None:
    """However many kinds it has, and however long its words are: on a phone the kinds are one row."""
    context = browser.new_context(
        locale="de-DE", viewport=dict(zip(("width", "height"), size, strict=True))
    )
    shifts = {}
    for place, there in ROOMS.items():
        page = context.new_page()
        page.add_init_script(WATCHED)
        page.goto(f"{folder}/#{place}")
        page.locator(f"#view-{place}{there}, #view-{place} {there}").first.wait_for()
        page.wait_for_timeout(1000)
        shifts[place] = page.evaluate(SHIFT)
        page.close()
    context.close()
    assert {place: shift for place, shift in shifts.items() if shift > MOST} == {}
