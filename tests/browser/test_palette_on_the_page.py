"""A model whose values are categories, on the page: its colours are painted with, watched and inspected."""

import io
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import httpx
import numpy as np
import pytest

from model_core import Model, save_model, untrained
from tests.browser.site import Site
from tests.house.running import ForkedUp, Up

PALETTE, NAMES = (
    ("#00000000", "#d04648", "#6daa2c80", "#597dce"),
    ("air", "brick", "moss", "water"),
)


@pytest.fixture(scope="module")
def tiles(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The service with `tiles` alone: 5 x 6 of four colours, one of them clear and one half clear, and two labels."""
    size = {
        "layers": 2,
        "hidden": 5,
        "head": 8,
        "height": 6,
        "width": 5,
        "values": 4,
        "labels": 2,
    }
    model = untrained("mnist-pixelcnn", seed=8, categories=True, **size)
    models = tmp_path_factory.mktemp("models")
    save_model(
        Model(model.members, replace(model.card, palette=PALETTE, names=NAMES)),
        models / "tiles",
    )
    running = ForkedUp(
        tmp_path_factory.mktemp("data"), models, PIXELRNN_PORTABLE_DIR=""
    )
    running.wait_until_ready()
    yield running
    running.output()


@pytest.fixture
def site(browser: Any, tiles: Up) -> Iterator[Site]:
    context = browser.new_context(
        base_url=tiles.url, viewport={"width": 1280, "height": 900}
    )
    opened = Site(context, tiles)
    yield opened
    context.close()
    assert opened.complaints == []


def _values(site: Site, job: str, sample: int) -> Any:
    """(6, 5)"""
    answer = httpx.get(
        f"{site.service.url}/jobs/{job}/image?sample={sample}&format=npy"
    )
    return np.load(io.BytesIO(answer.content)).reshape(6, 5)


def _drawn(site: Site, place: int) -> list[list[int]]:
    """Red, green, blue and opacity of a pixel, in each tile that is drawn."""
    return site.page.evaluate(
        """place => [...document.querySelectorAll("section.view:not([hidden]) button.tile canvas")].map((canvas) =>
          [...canvas.getContext("2d").getImageData(place % 5, Math.floor(place / 5), 1, 1).data])""",
        place,
    )


def test_pad_has_the_palette_and_completions_keep_what_is_painted(site: Site) -> None:
    """Each colour by its name, in the place of white and black; with arrows and space bar a pixel takes one, or becomes
    a hole; of what is painted, clear and half clear too, no completion changes anything."""
    site.open("complete")
    colours = site.view.get_by_role("toolbar", name="Colours").get_by_role("button")
    assert [colours.nth(i).get_attribute("aria-label") for i in range(4)] == list(NAMES)
    assert not site.view.get_by_role("button", name="White", exact=True).is_visible()
    paper = site.view.get_by_role("application")
    for i, name in enumerate(NAMES):
        colours.nth(i).press("Enter")
        paper.focus()
        site.page.keyboard.press("ArrowRight" if i % 2 else "ArrowDown")
        site.page.keyboard.press("Space")
        assert site.page.locator("#announcer").inner_text().endswith(f": {name}")
    site.view.get_by_role("button", name="Unknown").press("Enter")
    paper.press("Shift+ArrowUp")
    assert site.page.locator("#announcer").inner_text() == "Row 5, column 5: unknown"
    paper.press("ArrowDown")
    assert site.page.locator("#announcer").inner_text().endswith(": unknown")
    with site.page.expect_response("**/complete") as asked:
        site.submit()
    site.wait_for_standing("Done: 8 images")
    drawn = [_values(site, asked.value.json()["id"], sample) for sample in range(8)]
    assert [[values[4, 2], values[4, 3], values[5, 3]] for values in drawn] == [
        [0, 1, 2]
    ] * 8


def test_ink_is_of_the_palette(site: Site) -> None:
    """Whoever begins a picture paints with its colours; the endings keep them."""
    site.page.goto("/#ink")
    site.wait_for_standing("Four endings")
    site.view.get_by_role("button", name="brick").click()
    with site.page.expect_response("**/complete") as asked:
        site.click_pixel(site.view.locator("canvas.paper"), 2, 5, (5, 6))
    assert asked.value.json()["filled_pixels"] == 29
    site.wait_for_standing("Four endings")
    assert _drawn(site, 27) == [[0xD0, 0x46, 0x48, 255]] * 4


def _bars(site: Site) -> list[str | None]:
    paths = site.view.locator(".belief svg path")
    paths.nth(3).wait_for()
    return [paths.nth(i).get_attribute("fill") for i in range(paths.count())]


def test_chances_of_the_next_pixel_are_bars_in_its_colours(site: Site) -> None:
    """Where the watched picture rests: those of the label that it is drawn with, so that they are what the pixel cost;
    none is seen of another place."""
    asked: list[Any] = []
    site.page.on(
        "response",
        lambda answer: asked.append(answer) if answer.url.endswith("/score") else None,
    )
    site.page.goto("/")
    site.wait_for_drawing()
    site.view.locator("[data-act=play]", has_text="Pause").click()
    site.view.get_by_label("Pixel", exact=True).fill("17")
    assert _bars(site) == list(PALETTE)
    jobs = [
        site.service.get(f"/jobs/{answer.json()['id']}?wait=20") for answer in asked
    ]
    (belief,) = next(
        found["colours"]
        for job in jobs
        if (found := job["result"]["pixel"]) and found["y"] == 3
    )
    assert len({job["label"] for job in jobs}) == 1, "the picture has one label"
    said = site.view.locator(".belief figcaption").inner_text()
    assert f"It was {NAMES[belief['value']]} (" in said
    site.view.get_by_role("button", name="Step").click()
    assert site.view.locator(".belief").count() == 0
    site.view.get_by_role("button", name="Draw on it yourself").click()
    site.page.locator("#view-draw:visible canvas.paper").wait_for()
    site.wait_for_standing("Four endings")
    counted = (
        "() => document.querySelector('[data-count]').textContent.startsWith('12 ')"
    )
    site.page.wait_for_function(counted)


def test_inspected_pixel_has_bars_in_its_colours(site: Site) -> None:
    """And their names in the place of numbers; tiles are sharp at every scale."""
    site.open("inspect")
    assert _bars(site) == list(PALETTE)
    assert any(
        f"It was {name} (" in site.view.locator(".belief figcaption").inner_text()
        for name in NAMES
    )
    site.open("sample")
    site.submit()
    site.wait_for_standing("Done")
    style = "node => getComputedStyle(node).imageRendering"
    assert site.view.locator("button.tile canvas").first.evaluate(style) == "pixelated"
