"""Labels on the page: a row of them under the model, and bars that move as pixels are painted over."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.browser.axe import findings
from tests.browser.site import COLOURS, Site
from tests.house.running import ForkedUp, Up
from tests.tiny_models import save_tiny_labelled, save_tiny_labelled_scales


@pytest.fixture(scope="module")
def models_dir_labelled(
    all_models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Labelled models, and one without."""
    directory = tmp_path_factory.mktemp("labelled")
    save_tiny_labelled(directory)
    save_tiny_labelled_scales(directory)
    (directory / "tiny-cnn").symlink_to(all_models_dir / "tiny-cnn")
    return directory


@pytest.fixture(scope="module")
def service(
    browser: Any, models_dir_labelled: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Up]:
    """A service of them."""
    with ForkedUp(tmp_path_factory.mktemp("data"), models_dir_labelled) as running:
        yield running


def test_bars_under_the_pen_are_of_what_is_painted(site: Site, service: Up) -> None:
    """After each of ten strokes they are what /classify says with the unknown pixels masked."""
    site.page.goto("/#ink")
    site.view.locator(".kinds input[value=tiny-labelled]").check(force=True)
    paper = site.view.locator("canvas.paper")
    for stroke in range(10):
        site.view.get_by_role("button", name=["White", "Black"][stroke % 2]).click()
        with site.page.expect_response("**/classify"):
            site.click_pixel(paper, stroke % 3, 3 - stroke // 3, (3, 4))
        site.view.locator(".label-bars .first").wait_for()
        shown = site.view.locator(".share").evaluate_all(
            "bars => bars.map((bar) => Number(getComputedStyle(bar).getPropertyValue('--share')))"
        )
        colours = paper.evaluate(COLOURS, [3, 4])
        known = [colour in ([255] * 3, [0] * 3) for colour in colours]
        assert known.count(True) >= stroke + 1
        white = [255 * (colour == [255] * 3) for colour in colours]
        assert shown == pytest.approx(_classified(service, white, known), abs=1e-6)


def _classified(service: Up, white: list[int], known: list[bool]) -> list[float]:
    """Return what the service says of each label, asked apart from the page."""
    files = {}
    for name, values in (
        ("image", white),
        ("mask", [255 * (not one) for one in known]),
    ):
        file = io.BytesIO()
        Image.frombytes("L", (3, 4), bytes(values)).save(file, "png")
        files[name] = (f"{name}.png", file.getvalue(), "image/png")
    asked = httpx.post(
        f"{service.url}/classify", data={"model": "tiny-labelled"}, files=files
    )
    done = service.get(f"/jobs/{asked.json()['id']}?wait=20")
    beliefs = {one["label"]: one["p"] for one in done["result"]["labels"]}
    return [beliefs[label] for label in range(len(beliefs))]


def test_mixture_that_is_watched_is_sampled(site: Site, service: Up) -> None:
    """A picture from nothing is no completion; its fogs, which take particles, are of four endings."""
    site.page.goto("/")
    with site.page.expect_response("**/sample") as drawn:
        site.view.locator("input[value=tiny-labelled-two]").check(force=True)
    site.view.locator(".origin[title=tiny-labelled-two]").wait_for()
    site.view.locator("[data-act=play]", has_text="Pause").click()
    assert drawn.value.json()["n"] == 1
    fogs = list[Any]()
    site.page.on(
        "response",
        lambda answer: (
            fogs.append(answer) if answer.url.endswith("/complete") else None
        ),
    )
    site.view.get_by_label("Pixel", exact=True).fill("4")
    # The fog of the model before may be under way.
    while not (
        counts := [
            fog.json()["n"]
            for fog in fogs
            if fog.json()["model"] == "tiny-labelled-two"
        ]
    ):
        site.page.wait_for_timeout(100)
    assert set(counts) == {4}


def test_label_is_chosen_under_the_model(site: Site, service: Up) -> None:
    """Only of models that have any: one, or one of each, and their names stand under the images; so does a link."""
    site.open("sample")
    row = site.view.locator("[data-field=label]")
    site.choose_model("tiny-cnn")
    assert row.is_hidden()
    site.choose_model("tiny-labelled")
    assert row.locator("label").all_inner_texts() == [
        "Any",
        "One of each",
        "1",
        "0",
        "cat",
    ]
    site.fill("n", "2")
    row.get_by_label("cat").check()
    site.submit()
    site.wait_for_standing("Done")
    assert service.get(f"/jobs/{site.job_id}")["label"] == "cat"
    row.get_by_label("One of each").check()
    site.submit()
    site.view.locator("button.tile:nth-of-type(3) .caption", has_text="cat").wait_for()
    site.wait_for_standing("Done: 3 images")
    job = service.get(f"/jobs/{site.job_id}")
    assert (job["label"], job["n"]) == (["1", "0", "cat"], 3)
    assert site.view.locator("button.tile .caption").all_inner_texts() == [
        "1",
        "0",
        "cat",
    ]
    assert findings(site) == []
    drawn = [site.pixels(i) for i in range(3)]
    with site.elsewhere(site.copied_link()) as other:
        other.view.get_by_text("drawn again here: the same bytes").wait_for()
        assert [other.pixels(i) for i in range(3)] == drawn


def test_hole_is_filled_as_a_label(site: Site, service: Up) -> None:
    """The row of a completion has no choice for each; a job that is opened again brings its label along."""
    site.open("complete")
    site.choose_model("tiny-labelled")
    row = site.view.locator("[data-field=label]")
    assert row.locator("label").all_inner_texts() == ["Any", "1", "0", "cat"]
    row.get_by_label("cat").check()
    site.fill("n", "2")
    site.submit()
    site.wait_for_standing("Done")
    job = service.get(f"/jobs/{site.job_id}")
    assert (job["label"], job["result"]["posterior"]["label"]) == ("cat", "cat")
    site.page.reload()
    site.wait_for_standing("Done")
    assert row.get_by_label("cat").is_checked()


def test_bars_move_as_pixels_are_covered(site: Site) -> None:
    """A bar for each label, of the whole picture and then of what is left of it, by pointer and by keyboard."""
    site.open("inspect")
    site.choose_model("tiny-labelled")
    with site.page.expect_response("**/classify") as asked:
        site.submit()
    bars = site.view.locator(".label-bars")
    bars.locator(".first").wait_for()
    assert bars.locator("li span:first-child").all_inner_texts() == ["1", "0", "cat"]
    assert asked.value.ok
    before = bars.inner_text()
    site.view.get_by_role("button", name="Cover pixels").click()
    canvas = site.view.locator(".scored-picture canvas")
    canvas.evaluate("node => node.scrollIntoView({block: 'center'})")
    box = canvas.bounding_box()
    site.page.mouse.move(box["x"] + box["width"] / 6, box["y"] + box["height"] / 8)
    site.page.mouse.down()
    site.page.mouse.move(
        box["x"] + 5 * box["width"] / 6, box["y"] + 5 * box["height"] / 8, steps=4
    )
    with site.page.expect_response("**/classify") as asked:
        site.page.mouse.up()
    site.view.locator(".label-bars:not([aria-busy])").wait_for()
    assert bars.inner_text() != before
    canvas.focus()
    with site.page.expect_response("**/classify"):
        site.page.keyboard.press(" ")
    site.view.locator(".label-bars:not([aria-busy])").wait_for()
    assert findings(site) == []
    site.view.get_by_role("button", name="Uncover all").click()
    site.view.locator(".label-bars:not([aria-busy])").wait_for()
    assert bars.inner_text() == before
