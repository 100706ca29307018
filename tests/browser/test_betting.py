"""How close the reader comes to the network's chance of white, pixel by pixel."""

import re
from typing import Any

import httpx

from tests.browser.site import Site

MARKS = "nodes => nodes.map(node => node.dataset.good)"


def _bet(site: Site, percent: int) -> None:
    """On all pixels the same, by keyboard alone."""
    keyboard = site.page.keyboard
    slider = site.view.get_by_role("slider")
    slider.focus()
    while site.view.get_by_role("button", name="That is my guess").is_visible():
        for _ in range(abs(percent - 50)):
            keyboard.press("ArrowRight" if percent > 50 else "ArrowLeft")
        keyboard.press("Enter")
        if not site.view.get_by_role("button", name="Go on").is_visible():
            return
        keyboard.press("Enter")


def test_distance_to_the_network_is_what_counts(site: Site) -> None:
    """To the chance that its score gives; so saying 50% everywhere is not clever."""
    answers: list[Any] = []
    site.page.on(
        "response",
        lambda answer: (
            answers.append(answer) if answer.url.endswith("/score") else None
        ),
    )
    site.page.emulate_media(reduced_motion="reduce")
    site.page.goto("/#bet")
    first = site.view.get_by_text(re.compile(r"Pixel 1 of \d+"))
    first.wait_for()
    many = int(re.findall(r"Pixel 1 of (\d+)", first.inner_text())[0])
    _bet(site, 50)
    end = site.view.get_by_text(re.compile("On average you were"))
    end.wait_for()
    away = float(re.findall(r"[\d.]+", end.inner_text())[0])
    bits = [
        cost
        for row in site.service.get(f"/jobs/{answers[0].json()['id']}/score-map")[
            "bits"
        ]
        for [cost] in row
    ]
    doubtful = [cost for cost in bits if 0.05 <= 2**-cost <= 0.95]
    asked = min(20, len(bits))
    if len(doubtful) < asked:  # then the most doubtful of all
        doubtful = sorted(bits, key=lambda cost: abs(2**-cost - 0.5))[:asked]
    chosen = [doubtful[k * len(doubtful) // asked] for k in range(asked)]
    expected = sum(abs(50 - 100 * 2**-cost) for cost in chosen) / asked
    assert (many, abs(away - expected) < 0.06) == (asked, True)


def test_friend_s_points_are_written_as_the_reader_writes_numbers(site: Site) -> None:
    """The address has a point, a German page a comma."""
    with site.elsewhere("/#bet/seed=5&away=12.5&of=3", locale="de-DE") as other:
        other.view.get_by_text(
            "Jemand lag bei diesen 3 Pixeln 12,5 Punkte daneben"
        ).wait_for()


def test_button_is_always_on_a_phone_s_screen(site: Site) -> None:
    """At one place before a guess and after it, without scrolling."""
    site.page.set_viewport_size({"width": 360, "height": 640})
    site.page.goto("/#bet/seed=5")
    button = site.view.locator("form button")
    places = []
    for word in ("That is my guess", "Go on", "That is my guess"):
        site.view.get_by_role("button", name=word).wait_for()
        places.append(button.bounding_box())
        bar = site.page.locator(".tabs").bounding_box()["y"]
        assert places[-1]["y"] + places[-1]["height"] <= bar
        button.click()
    assert places == places[:1] * 3


def test_ten_of_today_are_the_same_for_everybody(site: Site) -> None:
    """Their seed is the date. At the end a mark for each says who was close, a
    link opens the same ten, and all of it can be pasted as text."""
    site.page.emulate_media(reduced_motion="reduce")
    site.page.clock.set_fixed_time("2026-01-19T12:00:00")
    site.page.goto("/#bet")
    site.view.get_by_role("link", name="Today's ten pixels").click()
    site.view.get_by_text("Pixel 1 of 10").wait_for()
    assert "seed=20260119" in site.page.url
    _bet(site, 50)
    said = site.view.locator(".question").inner_text()
    away = re.findall(r"you were ([\d.]+) points", said)[0]
    marks = site.view.locator(".marks span").evaluate_all(MARKS)
    assert len(marks) == 10
    assert f"at {marks.count('true')} of 10 pixels" in said
    day, squares, points, link = site.copied_link("Copy result and link").split("\n")
    assert day == "pixelrnn 2026-01-19"
    assert squares == "".join("🟩" if mark == "true" else "🟥" for mark in marks)
    assert points == f"{away} points away from the network"
    shared = httpx.get(link).text
    assert 'property="og:image"' in shared
    assert "#bet/model=" in shared
    assert f"seed=20260119&amp;of=10&amp;away={away}" in shared
    with site.elsewhere(link, reduced_motion="reduce") as other:
        other.view.get_by_text(
            f"A friend was {away} points away at these 10 pixels. Go."
        ).wait_for()
        _bet(other, 50)
        assert other.view.locator(".marks span").evaluate_all(MARKS) == marks
        said = other.view.locator(".question").inner_text()
    assert f"you were {away} points away" in said
    assert f"Your friend was {away} points away." in said
