"""A model whose values are categories, on the page: its colours are painted with, watched and inspected."""

import io
import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from model_core import Model, complete, load_model, sample, save_model
from model_core.measures.likelihood import log_likelihood
from tests.browser.bare_server import opened
from tests.browser.site import Site
from tests.browser.tiles import NAMES, PALETTE, tiles_model
from tests.house.running import ForkedUp, Up
from tests.portable.exporting import export


@pytest.fixture(scope="module")
def tiles(browser: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The service with `tiles` alone."""
    models = tmp_path_factory.mktemp("models")
    save_model(tiles_model(), models / "tiles")
    with ForkedUp(
        tmp_path_factory.mktemp("data"), models, PIXELRNN_PORTABLE_DIR=""
    ) as running:
        yield running


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


COMPLETE_HERE = """
async ({ values, keep }) => {
  const { BrowserBackend } = await import(new URL("playground/js/service/browser_backend.js", location.href));
  const { Folder } = await import(new URL("playground/js/service/folder.js", location.href));
  const { rgbaOf } = await import(new URL("playground/js/pixels/raster.js", location.href));
  const api = new Folder("models/");
  const [model] = await api.models();
  const here = new BrowserBackend({ api, info: { value: await api.info() }, models: { value: [model] } });
  const picture = new ImageData(model.width, model.height);
  values.forEach((value, i) => picture.data.set(rgbaOf(model.palette[value]), 4 * i));
  const hole = Uint8Array.from(keep, (isKept) => Number(!isKept));
  const how = { signal: new AbortController().signal };
  const wish = { n: 3, seed: 5, label: model.labels[0].name };
  const { images, mean } = await here.complete(model, { ...wish, picture, hole }, how);
  const colours = model.palette.map((colour) => String(rgbaOf(colour)));
  const valuesOf = ({ data }) =>
    Array.from({ length: data.length / 4 }, (_, i) => colours.indexOf(String([...data.slice(4 * i, 4 * i + 4)])));
  const chosen = { ...model, labels: [], label: model.labels[0].name };
  const { score, map } = await here.scoreMap(chosen, { picture }, how);
  return { images: images.map(valuesOf), mean: valuesOf(mean), nats: score.nats, bits: map.bits.flat(2) };
}
"""


@pytest.fixture(scope="module")
def folder(
    browser: Any, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Model, Path]:
    """`tiles` and a folder that draws with it."""
    models = tmp_path_factory.mktemp("models")
    site = tmp_path_factory.mktemp("exported") / "site"
    save_model(tiles_model(), models / "tiles")
    done = export(site, "--models-dir", models)
    assert done.returncode == 0, done.stderr
    return load_model("tiles", models_dir=models), site


def test_folder_completes_and_scores_with_the_palette(
    browser: Any, folder: tuple[Model, Path]
) -> None:
    """In the browser as in Python: each colour is its value, clear and half clear ones too; with the label chosen."""
    model, site = folder
    (label, *_) = (each.name for each in model.card.labels)
    values = sample(model, 1, seed=3, label=label)
    keep = torch.ones(6, 5, dtype=torch.bool)
    keep[2:4, 1:4] = False
    expected = complete(model, values[0], keep, 3, seed=5, label=label)
    asked = {"values": values.ravel().tolist(), "keep": keep.ravel().tolist()}
    with opened(browser, site) as (page, url):
        page.goto(url)
        found = page.evaluate(COMPLETE_HERE, asked)
    assert found["images"] == expected.values.reshape(3, -1).tolist()
    assert expected.mean is not None
    assert found["mean"] == expected.mean.ravel().tolist()
    nats = -float(log_likelihood(model, values, label))
    assert found["nats"] == pytest.approx(nats, rel=1e-5)
    assert sum(found["bits"]) * math.log(2) == pytest.approx(nats, rel=1e-5)


def test_folder_watches_and_draws_with_the_palette(
    browser: Any, folder: tuple[Model, Path]
) -> None:
    """Watch has the fog and what each pixel cost, and the pad its endings: nobody but this browser draws."""
    with opened(browser, folder[1]) as (page, url):
        page.goto(f"{url}/#watch")
        page.locator("[data-live=true] .next", has_text="Next, row").wait_for()
        page.locator(".could:visible .futures canvas").first.wait_for()
        page.get_by_role("button", name="Draw on it yourself").click()
        page.locator("#view-draw:visible canvas.paper").wait_for()
        page.get_by_text("Four endings. Choose one").wait_for()
        page.get_by_role("button", name="brick").click()
        page.get_by_text("Four endings. Choose one").wait_for()
