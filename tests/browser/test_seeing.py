"""What it sees: one pixel, and how much each earlier one matters for it, in several networks side by side."""

import re
from typing import Any

from tests.browser.site import Held, Site

SIZE = (5, 6)
"""Of the pictures of tiny-cnn and tiny-diagonal."""
LATER, UNSEEN = [51, 64, 95], [111, 100, 114]


def _panel(site: Site, title: str) -> Any:
    return site.view.locator(".sight", has_text=title)


def _said(site: Site, title: str, earlier: int) -> str:
    """What a panel says, once it is of a pixel with so many before it."""
    line = _panel(site, title).get_by_text(re.compile(f"of {earlier} earlier pixels"))
    line.wait_for()
    return line.inner_text()


def _colour(panel: Any, x: int, y: int) -> list[int]:
    """Of a quarter down a pixel, where no hatch is."""
    return panel.locator("canvas").evaluate(
        """(node, [x, y]) => [...node.getContext("2d")
          .getImageData((x + 0.25) * node.width / 5, (y + 0.25) * node.height / 6, 1, 1).data].slice(0, 3)""",
        [x, y],
    )


def test_each_network_shows_what_it_sees_from_the_chosen_pixel(site: Site) -> None:
    """The numbers are the server's; a click in one panel, or an arrow key, chooses for all."""
    answers = []
    site.page.on(
        "response",
        lambda answer: (
            answers.append(answer) if answer.url.endswith("/score") else None
        ),
    )
    site.open("sight")
    said = {title: _said(site, title, 17) for title in ("PixelCNN", "Diagonal BiLSTM")}
    assert site.view.locator(".sight").count() == 2
    for answer in answers:
        job = answer.json()
        pixel = site.service.get(f"/jobs/{job['id']}")["result"]["pixel"]
        title = {"tiny-cnn": "PixelCNN", "tiny-diagonal": "Diagonal BiLSTM"}[
            job["model"]
        ]
        slopes = [slope for row in pixel["influence"] for slope in row]
        white = 100 * pixel["colours"][0]["probabilities"][1]
        assert (
            said[title]
            == f"White with {white:.1f}%; it sees {sum(map(bool, slopes))} of 17 earlier pixels."
        )
    site.click_pixel(_panel(site, "Diagonal BiLSTM").locator("canvas"), 0, 5, SIZE)
    cnn, diagonal = _panel(site, "PixelCNN"), _panel(site, "Diagonal BiLSTM")
    _said(site, "PixelCNN", 25)
    assert _colour(cnn, 4, 4) == UNSEEN  # the window has a corner cut off
    assert "sees 24 of 25" in _said(
        site, "Diagonal BiLSTM", 25
    )  # as docs/internals/causality.md says
    assert _colour(diagonal, 4, 4) == UNSEEN
    assert _colour(diagonal, 4, 0) not in (UNSEEN, LATER)
    assert _colour(cnn, 3, 5) == LATER
    site.page.keyboard.press("ArrowUp")
    site.page.keyboard.press("ArrowRight")
    _said(site, "PixelCNN", 21)
    assert _colour(diagonal, 0, 5) == LATER


def test_panels_follow_the_picture_and_never_an_older_question(site: Site) -> None:
    """An answer that is late is of another pixel; another digit is asked about at once."""
    site.open("sight")
    _said(site, "PixelCNN", 17)
    canvas = _panel(site, "PixelCNN").locator("canvas")
    held = Held(site.page, "**/score")
    with site.page.expect_request("**/score"):
        site.click_pixel(canvas, 4, 5, SIZE)
    site.click_pixel(canvas, 1, 1, SIZE)
    said = _said(site, "PixelCNN", 6)
    held.let_go()
    before = _said(site, "Diagonal BiLSTM", 6)
    with site.page.expect_response("**/score"):
        site.view.get_by_label("Digit 0").check()
    _said(site, "PixelCNN", 6)
    assert _said(site, "Diagonal BiLSTM", 6).endswith("6 earlier pixels.")
    assert said.startswith("White with")
    assert before.startswith("White with")


def test_question_is_asked_again_when_the_server_is_back(site: Site) -> None:
    """Without a click."""
    site.open("sight")
    _said(site, "PixelCNN", 17)
    site.context.set_offline(True)
    site.click_pixel(_panel(site, "PixelCNN").locator("canvas"), 4, 5, SIZE)
    site.view.locator(".sight-trouble").get_by_text(re.compile("server")).wait_for()
    site.context.set_offline(False)
    _said(site, "PixelCNN", 29)
    site.view.locator(".sight-trouble").wait_for(state="hidden")


def test_best_network_of_each_kind_is_shown_of_those_that_draw_the_same(
    site: Site,
) -> None:
    """Most kinds win, whatever scores best; mixtures and Multi-Scale models are other stories."""
    site.open("history")
    chosen = site.page.evaluate(
        """async () => {
          const {comparableModels} = await import("/playground/js/views/sight_view.js");
          const plain = {width: 28, height: 28, channels: 1, values: 2, small_width: 0, members: ["none"],
            labels: [], can: ["score"]};
          const small = {...plain, width: 16, height: 16};
          return comparableModels([
            {...plain, name: "worse", network: "pixel-cnn", test_bits_per_dim: 0.2},
            {...plain, name: "cnn", network: "pixel-cnn", test_bits_per_dim: 0.16},
            {...plain, name: "diagonal", network: "diagonal-bilstm", test_bits_per_dim: 0.14},
            {...plain, name: "labelled", network: "diagonal-bilstm", labels: [{}], test_bits_per_dim: 0.13},
            {...plain, name: "mixture", network: "row-lstm", members: ["none", "rotate_180"], test_bits_per_dim: 0.1},
            {...small, name: "small", network: "diagonal-bilstm", test_bits_per_dim: 0.05},
            {...plain, name: "mute", network: "row-lstm", can: ["sample"], test_bits_per_dim: 0.1},
          ]).map(({name}) => name);
        }"""
    )
    assert chosen == ["cnn", "diagonal"]
