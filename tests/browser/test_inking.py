"""Ink anywhere: what is painted is given, what is unknown is drawn, and what is said of it is true."""

import math
import re
from typing import Any

from tests.browser.site import COLOURS, Site


def _given(site: Site) -> list[str]:
    """Of each pixel of the paper: w, b, or ? where the fog is seen."""
    colours = site.view.locator("canvas.paper").evaluate(COLOURS, [5, 6])
    return [
        "w" if c == [255, 255, 255] else "b" if c == [0, 0, 0] else "?" for c in colours
    ]


def _one_in(nats: float) -> str:
    """As the page says a chance."""
    return (
        f"1 in {float(f'{round(math.exp(nats)):.2g}'):,.0f}"
        if nats < math.log(1e5)
        else "1 in 10"
    )


def test_ink_at_the_bottom_draws_the_top(site: Site) -> None:
    """Four endings keep what was painted; the sentence is the receipt's; more work is one press away; what is given as
    a whole is judged by its score; and what is made unknown is drawn."""
    site.page.goto("/#ink")
    site.wait_for_standing("Four endings")
    assert _given(site) == ["?"] * 30
    paper = site.view.locator("canvas.paper")
    paper.hover()
    said = site.view.locator(".sheet .pixel-note").inner_text()
    assert re.fullmatch(r"White has .*% here", said)
    with site.page.expect_response("**/complete") as asked:
        site.click_pixel(paper, 2, 5, (5, 6))
    assert asked.value.json()["filled_pixels"] == 29
    site.wait_for_standing("Four endings")
    assert [site.pixels(i)[27] for i in range(4)] == [255] * 4
    receipt = site.service.get(f"/jobs/{asked.value.json()['id']}")["result"][
        "posterior"
    ]
    explained = site.view.locator(".explained")
    explained.get_by_text(f"{receipt['quality']}: ").wait_for()
    said = explained.inner_text()
    is_told = _one_in(receipt["evidence_nats"]) in said
    assert is_told == (receipt["quality"] != "poor")
    with site.page.expect_response("**/complete") as harder:
        site.view.get_by_role("button", name="Try harder").click()
    assert (asked.value.json()["sweeps"], harder.value.json()["sweeps"]) == (0, 2)
    with site.page.expect_response("**/score") as scored:
        site.view.locator(".example input").first.check()
    site.view.get_by_text("Your picture has a chance of").wait_for()
    nats = site.service.get(f"/jobs/{scored.value.json()['id']}")["result"]["nats"]
    assert _one_in(nats) in site.view.locator(".sentence").inner_text()
    whole = _given(site)
    assert "?" not in whole
    site.view.get_by_role("button", name="Unknown").click()
    with site.page.expect_response("**/complete") as asked:
        site.click_pixel(paper, 2, 2, (5, 6))
    assert asked.value.json()["filled_pixels"] == 1
    assert _given(site) == [*whole[:12], "?", *whole[13:]]
    with site.page.expect_response("**/score"):
        site.page.keyboard.press("Control+z")
    site.page.wait_for_function("() => !document.querySelector('#view-draw .tile')")


def test_ink_is_laid_by_keyboard_alone(site: Site) -> None:
    """Arrows move over the paper, the space bar paints, both are said; a stroke takes back what was asked before it."""
    asked: list[Any] = []
    site.page.on(
        "response",
        lambda answer: (
            asked.append(answer) if answer.url.endswith("/complete") else None
        ),
    )
    site.page.goto("/#ink")
    site.wait_for_standing("Four endings")
    site.view.get_by_role("application").focus()
    site.page.keyboard.press("ArrowUp")
    assert re.fullmatch(
        r"Row 3, column 3: unknown", site.page.locator("#announcer").inner_text()
    )
    with site.page.expect_response("**/complete"):
        site.page.keyboard.press("Space")
    assert site.page.locator("#announcer").inner_text() == "Row 3, column 3: white"
    site.page.keyboard.press("Shift+ArrowRight")
    site.wait_for_standing("Four endings")
    assert [site.pixels(i)[12:14] for i in range(4)] == [[255, 255]] * 4
    site.view.get_by_role("button", name="Black").press("Enter")
    site.view.get_by_role("application").press("Space")
    site.wait_for_standing("Four endings")
    assert [site.pixels(i)[12:14] for i in range(4)] == [[255, 0]] * 4
    ends = [
        site.service.get(f"/jobs/{answer.json()['id']}?wait=20")["status"]
        for answer in asked
    ]
    assert {*ends} <= {"succeeded", "canceled"}


def test_picture_that_is_watched_is_drawn_on(site: Site) -> None:
    """What is there of it is given; an ending is a completion as any other."""
    site.page.goto("/")
    site.wait_for_drawing()
    site.view.locator("[data-act=play]", has_text="Pause").click()
    site.view.get_by_label("Pixel", exact=True).fill("15")
    with site.page.expect_response("**/complete") as asked:
        site.view.get_by_role("button", name="Draw on it yourself").click()
        site.view.locator(".completions .tile").nth(3).wait_for()
    site.wait_for_standing("Four endings")
    assert _given(site).count("?") == 15
    assert asked.value.ok
    ending = site.pixels(3)
    site.view.locator(".completions .tile").nth(3).click()
    site.view.get_by_role("link", name="Open in Complete").click()
    site.wait_for_standing("Done: 4 images")
    assert "#complete/" in site.page.url
    assert ending in [site.pixels(i) for i in range(4)]
