"""For everybody: by keyboard, with a screen reader, on any screen, in light and dark."""

import re
from typing import Any

import pytest

from tests.browser.axe import findings
from tests.browser.site import Site
from tests.browser.views import VIEWS
from tests.house.running import Up

WIDTHS = (320, 390, 768, 900, 1024, 1280, 1920)


def test_axe_finds_nothing_serious(site: Site) -> None:
    """Names, roles, contrast and order of every view, before anything is in it."""
    for view in VIEWS:
        site.open(view)
        assert findings(site) == [], view


def test_axe_finds_nothing_serious_in_results(site: Site) -> None:
    """A board of images, the large view, completions in their order, an inspected picture, what each network sees, and
    the jobs of all."""
    site.open("sample")
    site.fill("n", "2")
    site.submit()
    site.wait_for_standing("Done")
    assert findings(site) == []
    site.view.locator("button.tile").first.click()
    site.page.get_by_role("dialog").get_by_text(re.compile(r"\d bits")).wait_for()
    assert findings(site) == []
    site.page.keyboard.press("Escape")
    site.open("inspect")
    site.choose_model("tiny-rgb")
    site.submit()
    site.view.locator(".belief").first.wait_for()
    assert findings(site) == []
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.fill("n", "2")
    site.submit()
    site.view.locator(".tile.original .caption", has_text="bits").wait_for()
    assert findings(site) == []
    site.open("history")
    site.view.locator("li img").nth(2).wait_for()
    assert findings(site) == []
    site.open("watch")
    site.wait_for_drawing()
    assert findings(site) == []
    site.open("ink")
    site.wait_for_standing("Four endings")
    assert findings(site) == []


@pytest.mark.parametrize("widths", [WIDTHS, WIDTHS[::-1]], ids=["wider", "narrower"])
def test_nothing_is_wider_than_the_screen(site: Site, widths: tuple[int, ...]) -> None:
    """No view scrolls sideways, from small phones to wide screens.

    Each is opened on the smallest and on the largest screen, and goes through all sizes
    from there.
    """
    for view in VIEWS:
        for width in widths:
            site.page.set_viewport_size({"width": width, "height": 800})
            if width == widths[0]:
                site.open(view)
            scrolled = site.page.evaluate("document.documentElement.scrollWidth")
            assert scrolled <= width, (view, width)


def test_fingers_have_room(browser: Any, service: Up) -> None:
    """On a touch screen nothing that is pressed is lower than 44 pixels."""
    context = browser.new_context(
        base_url=service.url,
        viewport={"width": 390, "height": 844},
        has_touch=True,
        is_mobile=True,
    )
    site = Site(context, service)
    for view in VIEWS:
        site.open(view)
        low = site.page.evaluate(
            """() => [...document.querySelectorAll(
                "button, nav a, select, .button, .card, .check, .layers label, input[type=text], input[type=range]")]
              .filter(node => node.checkVisibility() && node.getBoundingClientRect().height < 43.5)
              .map(node => node.outerHTML)"""
        )
        assert low == [], view
    context.close()


def test_images_are_drawn_and_opened_by_keyboard_alone(site: Site) -> None:
    """Tab reaches everything in its order, Enter does it, Escape leads back to where it was."""
    site.open("sample")
    press = site.page.keyboard.press
    press("Tab")
    assert site.page.locator(":focus").inner_text() == "Skip to the content"
    press("Enter")
    assert site.page.url.endswith("#sample")
    press("Tab")
    assert site.page.locator(":focus").get_attribute("type") == "radio"
    press("ArrowDown")
    press("Tab")
    site.page.keyboard.type("2")
    press("Control+a")
    site.page.keyboard.type("2")
    press("Enter")
    assert "2 images" in site.wait_for_standing("Done")
    for _ in range(16):
        press("Tab")
        if "tile" in (site.page.locator(":focus").get_attribute("class") or ""):
            break
    press("Enter")
    site.page.get_by_role("dialog").wait_for()
    press("Escape")
    assert (
        site.page.locator(":focus").get_attribute("aria-label") == "Image 1: open large"
    )


def test_opening_a_view_leaves_where_tab_begins(site: Site) -> None:
    """Nothing is brought into sight with `scrollIntoView`, from which some browsers take Tab's start."""
    site.page.add_init_script(
        "window.moved = []; Element.prototype.scrollIntoView = function () { moved.push(this.outerHTML); };"
    )
    site.page.set_viewport_size({"width": 390, "height": 844})
    for view in VIEWS:
        site.open(view)
        assert site.page.evaluate("moved") == [], view


def test_hole_is_painted_by_keyboard_and_said_aloud(site: Site) -> None:
    """Arrows move over the picture, the space bar paints, and both are announced."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.view.get_by_role("button", name="Clear").click()
    site.view.locator(".size input").fill("1")
    site.view.locator("canvas.paper").focus()
    site.page.keyboard.press("Space")
    assert re.match(
        r"Row \d, column \d: unknown", site.page.locator("#announcer").inner_text()
    )
    site.page.keyboard.press("Shift+ArrowRight")
    assert site.view.locator("[data-count]").inner_text().startswith("2 pixels")
