"""The reader against the network, pixel by pixel."""

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
    while site.view.get_by_role("button", name="That is my bet").is_visible():
        for _ in range(abs(percent - 50)):
            keyboard.press("ArrowRight" if percent > 50 else "ArrowLeft")
        keyboard.press("Enter")
        if not site.view.get_by_role("button", name="Go on").is_visible():
            return
        keyboard.press("Enter")


def test_both_pay_for_what_they_did_not_expect(site: Site) -> None:
    """A reader who never knows pays a bit for each pixel, the network what its score says of the same pixels."""
    answers: list[Any] = []
    site.page.on(
        "response",
        lambda answer: (
            answers.append(answer) if answer.url.endswith("/score") else None
        ),
    )
    site.page.emulate_media(reduced_motion="reduce")
    site.page.goto("/#bet")
    first = site.view.get_by_text(re.compile(r"Bet 1 of \d+"))
    first.wait_for()
    many = int(re.findall(r"Bet 1 of (\d+)", first.inner_text())[0])
    _bet(site, 50)
    end = site.view.get_by_text(re.compile("You paid"))
    end.wait_for()
    # A tie, which some pictures give, is stated without a difference.
    mine, theirs, *rest = re.findall(r"\d+\.\d", end.inner_text())
    difference = rest[0] if rest else "0.0"
    assert (float(mine), float(difference)) == (
        many,
        round(abs(float(mine) - float(theirs)), 1),
    )
    bits = [
        cost
        for row in site.service.get(f"/jobs/{answers[0].json()['id']}/score-map")[
            "bits"
        ]
        for [cost] in row
    ]
    doubtful = [cost for cost in bits if 0.2 <= 2**-cost <= 0.8]
    asked = min(20, len(bits))
    if len(doubtful) < asked:  # then the most doubtful of all
        doubtful = sorted(bits, key=lambda cost: abs(2**-cost - 0.5))[:asked]
    paid = sum(doubtful[k * len(doubtful) // asked] for k in range(asked))
    assert (many, abs(float(theirs) - paid) < 0.06) == (asked, True)


def test_friend_has_the_same_bets(site: Site) -> None:
    """The link says the picture, and what was paid for it."""
    site.page.emulate_media(reduced_motion="reduce")
    site.page.goto("/#bet")
    site.view.get_by_text(re.compile(r"Bet 1 of \d+")).wait_for()
    _bet(site, 70)
    paid = re.findall(
        r"You paid ([\d.]+) bits", site.view.locator(".question").inner_text()
    )[0]
    with site.elsewhere(
        site.copied_link("The same bets for a friend"), reduced_motion="reduce"
    ) as other:
        other.view.get_by_text(re.compile(r"Bet 1 of \d+")).wait_for()
        assert (
            f"paid {paid} bits for these"
            in other.view.locator(".standing").inner_text()
        )
        _bet(other, 70)
        said = other.view.locator(".question").inner_text()
    assert f"You paid {paid} bits" in said
    assert f"Your friend paid {paid} bits." in said


def test_friend_s_bits_are_written_as_the_reader_writes_numbers(site: Site) -> None:
    """The address has a point, a German page a comma."""
    with site.elsewhere("/#bet/seed=5&bits=12.5&of=3", locale="de-DE") as other:
        other.view.get_by_text("Jemand hat 12,5 Bit").wait_for()


def test_button_is_always_on_a_phone_s_screen(site: Site) -> None:
    """Before a bet and after it, without scrolling."""
    site.page.set_viewport_size({"width": 360, "height": 640})
    site.page.goto("/#bet/seed=5")
    button = site.view.locator("form button")
    for word in ("That is my bet", "Go on", "That is my bet"):
        site.view.get_by_role("button", name=word).wait_for()
        box = button.bounding_box()
        assert box["y"] + box["height"] <= 640
        button.click()


def test_ten_of_today_are_the_same_for_everybody(site: Site) -> None:
    """Their seed is the date. At the end a mark for each says who was about as good, a
    link opens the same ten, and all of it can be pasted as text."""
    site.page.emulate_media(reduced_motion="reduce")
    site.page.clock.set_fixed_time("2026-01-19T12:00:00")
    site.page.goto("/#bet")
    site.view.get_by_role("link", name="Today's ten pixels").click()
    site.view.get_by_text("Bet 1 of 10").wait_for()
    assert "seed=20260119" in site.page.url
    _bet(site, 50)
    said = site.view.locator(".question").inner_text()
    assert said.startswith("You paid 10.0 bits")
    marks = site.view.locator(".marks span").evaluate_all(MARKS)
    assert len(marks) == 10
    assert f"At {marks.count('true')} of 10 pixels" in said
    day, squares, bits, link = site.copied_link("Copy the result").split("\n")
    assert day == "pixelrnn 2026-01-19"
    assert squares == "".join("🟩" if mark == "true" else "🟥" for mark in marks)
    assert bits.startswith("me 10.0 bits, the network ")
    shared = httpx.get(link).text
    assert 'property="og:image"' in shared
    assert "#bet/model=" in shared
    assert "seed=20260119&amp;of=10&amp;bits=10.0" in shared
    with site.elsewhere(
        site.copied_link("The same bets for a friend"), reduced_motion="reduce"
    ) as other:
        other.view.get_by_text(
            "A friend paid 10.0 bits for these 10 pixels. Go."
        ).wait_for()
        _bet(other, 50)
        assert other.view.locator(".marks span").evaluate_all(MARKS) == marks
