"""What is there stays where it is while the rest comes: the cumulative shift of layout."""

from typing import Any

from tests.browser.site import Site
from tests.house.running import Up

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
    cold = [model | {"compiling": True, "state": "compiling"} for model in told["models"]]
    route.fulfill(response=answer, json=told | {"models": cold, "portable": []})


def test_cold_start_stands_still(site: Site) -> None:
    """The film begins, and what is said of it comes below."""
    site.page.add_init_script(WATCHED)
    site.page.route("**/models", _cold)
    site.page.goto("/")
    site.view.get_by_text("Recorded earlier").wait_for()
    site.page.wait_for_timeout(1500)
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
