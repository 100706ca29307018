"""Twelve characters, half of them real: which?"""

import json
import math
import re
from typing import Any

import pytest

from tests.browser.site import Site


def _of_characters(route: Any) -> None:
    """One of the small models says that characters are what it draws: it draws and scores as ever."""
    answer = route.fetch()
    models = answer.json()
    for model in models["models"]:
        if model["name"] == "tiny-cnn":
            model["data"] = "ideographs"
    route.fulfill(response=answer, body=json.dumps(models))


def test_characters_are_ticked_and_turned_by_keyboard(site: Site) -> None:
    """Six are drawn with one seed, today's; turned over each says what it is, and the
    found ones are counted; its surprise is the score's. The result is text with a link to
    the same twelve. Others come with the next press."""
    answers: list[Any] = []
    site.page.on(
        "response",
        lambda answer: (
            answers.append(answer) if answer.url.endswith("/score") else None
        ),
    )
    site.page.route(re.compile("/models$"), _of_characters)
    site.page.clock.set_fixed_time("2026-01-19T12:00:00")
    site.page.goto("/#real")
    site.view.get_by_text("0 of 6 ticked.").wait_for()
    with site.page.expect_response("**/sample") as drawn:
        site.view.get_by_role("link", name="Today's twelve").click()
    job = drawn.value.json()
    assert (job["n"], job["seed"]) == (6, 20260119)
    site.view.get_by_text("0 of 6 ticked.").wait_for()
    boxes = site.view.get_by_role("checkbox")
    assert boxes.count() == 12
    # They are large on a laptop, and the button below them is still on the screen.
    site.page.set_viewport_size({"width": 1366, "height": 768})
    glyph = site.view.locator(".glyph canvas").first.bounding_box()
    assert glyph["width"] > 120
    button = site.view.get_by_role("button", name="Turn them over").bounding_box()
    assert button["y"] + button["height"] <= 768
    for place in range(6):
        assert site.view.get_by_role("button", name="Turn them over").is_disabled()
        boxes.nth(place).focus()
        site.page.keyboard.press("Space")
    site.view.get_by_text("6 of 6 ticked.").wait_for()
    site.page.keyboard.press("Enter")
    site.view.get_by_text("On average the real ones surprise").wait_for()
    captions = site.view.locator(".caption").all_inner_texts()
    real = [text.startswith("Exists: ") for text in captions]
    right = [is_real == (place >= 6) for place, is_real in enumerate(real)]
    assert sum(real) == 6
    assert ["You were right." in text for text in captions] == right
    found = real[:6].count(False)
    assert site.view.get_by_text(f"You found {found} of 6.").is_visible()
    day, squares, words, link = site.copied_link("Copy result and link").split("\n")
    assert day == "pixelrnn 2026-01-19"
    assert squares == "".join("🟩" if is_right else "🟥" for is_right in right)
    assert words == f"{found} of 6 invented characters found"
    site.context.route(re.compile("/models$"), _of_characters)
    other = site.context.new_page()
    other.goto(link)
    other.get_by_text(f"0 of 6 ticked. A friend found {found} of 6.").wait_for()
    pictures = """() => [...document.querySelectorAll(".glyph canvas")].map(c => c.toDataURL())"""
    assert other.evaluate(pictures) == site.page.evaluate(pictures)
    other.close()
    scores = [
        site.service.get(f"/jobs/{answer.json()['id']}")["result"]["nats"]
        for answer in answers
    ]
    said = [float(re.findall(r"([\d.]+) bits", text)[0]) for text in captions]
    assert sorted(said) == pytest.approx(
        sorted(nats / math.log(2) for nats in scores), abs=0.051
    )
    site.view.locator(".glyph canvas").first.hover()
    note = site.view.locator(".pixel-note:visible").inner_text()
    assert re.fullmatch(r"(White|Black) had .*% here: [\d.]+ bits", note)
    with site.page.expect_response("**/sample"):
        site.view.get_by_role("button", name="Twelve others").click()
    site.view.get_by_text("0 of 6 ticked.").wait_for()
