"""What a pixel depended on: how much each earlier one matters for what the network expected there."""

import re
from typing import Any

from tests.browser.site import Site

SIZE = (5, 6)
"""Of the pictures of tiny-cnn."""
LATER, UNSEEN = [51, 64, 95], [111, 100, 114]


def _said(site: Site, earlier: int) -> str:
    """What the panel says, once it is of a pixel with so many before it."""
    line = site.view.locator(".sight").get_by_text(
        re.compile(f"of {earlier} earlier pixels")
    )
    line.wait_for()
    return line.inner_text()


def _colour(panel: Any, x: int, y: int) -> list[int]:
    """Of a quarter down a pixel, where no hatch is."""
    return panel.locator("canvas").evaluate(
        """(node, [x, y]) => [...node.getContext("2d")
          .getImageData((x + 0.25) * node.width / 5, (y + 0.25) * node.height / 6, 1, 1).data].slice(0, 3)""",
        [x, y],
    )


def test_chosen_pixel_shows_what_it_depended_on(site: Site) -> None:
    """The numbers are the server's; what the network cannot see from there is hatched."""
    site.open("inspect")
    site.choose_model("tiny-cnn")
    site.submit()
    panel = site.view.locator(".sight")
    panel.get_by_text("earlier pixels").wait_for()
    picture = site.view.locator(".scored-picture canvas")
    with site.page.expect_response("**/score") as answer:
        site.click_pixel(picture, 0, 5, SIZE)
    said = _said(site, 25)
    pixel = site.service.get(f"/jobs/{answer.value.json()['id']}?wait=20")["result"][
        "pixel"
    ]
    slopes = [slope for row in pixel["influence"] for slope in row]
    white = 100 * pixel["colours"][0]["probabilities"][1]
    assert (
        said
        == f"White with {white:.1f}%; it sees {sum(map(bool, slopes))} of 25 earlier pixels."
    )
    assert _colour(panel, 4, 4) == UNSEEN  # the window has a corner cut off
    assert _colour(panel, 3, 5) == LATER
