"""Drawing, completing and enlarging, as a person does it."""

import json
import re
import subprocess
import sys
from pathlib import Path

import httpx
from PIL import Image

from tests.browser.site import Site


def test_sample_paints_every_image_and_remembers_the_job(site: Site) -> None:
    """The images on the page are those of the server."""
    site.open("sample")
    site.choose_model("tiny-cnn")
    site.fill("n", "3")
    site.fill("seed", "7")
    site.submit()
    assert "3 images" in site.wait_for_standing("Done")
    assert site.view.locator("button.tile").count() == 3
    job = site.service.get(f"/jobs/{site.job_id}")
    assert (job["seed"], job["n"], job["model"]) == (7, 3, "tiny-cnn")
    drawn = [site.pixels(i) for i in range(3)]
    assert all(set(pixels) <= {0, 255} and len(pixels) == 30 for pixels in drawn)
    site.page.goto("/#history")
    assert "seed 7" in site.view.inner_text()


def test_seed_changes_unless_it_is_locked(site: Site) -> None:
    """Each drawing has a seed of its own; a locked one draws the same again."""
    site.open("sample")
    site.choose_model("tiny-cnn")
    site.fill("n", "1")
    seeds = []
    for _ in range(2):
        before = site.page.url
        site.submit()
        site.page.wait_for_url(lambda url, before=before: url != before)
        site.wait_for_standing("Done")
        seeds.append(site.service.get(f"/jobs/{site.job_id}")["seed"])
    assert seeds[0] != seeds[1]
    site.view.get_by_label("Keep this seed").click()
    before = site.page.url
    site.submit()
    site.page.wait_for_url(lambda url: url != before)
    site.wait_for_standing("Done")
    assert site.service.get(f"/jobs/{site.job_id}")["seed"] == seeds[1]


def test_image_opens_large_with_its_likelihood_and_recipe(site: Site) -> None:
    """The large view says what drew the image, how likely it is, and how to have it again."""
    site.open("sample")
    site.choose_model("tiny-cnn")
    site.fill("n", "2")
    site.fill("seed", "11")
    site.submit()
    site.wait_for_standing("Done")
    site.view.locator("button.tile").nth(1).click()
    dialog = site.page.get_by_role("dialog")
    dialog.get_by_text("bits/dim").wait_for()
    text = dialog.inner_text()
    assert "Image 2 of 2" in text
    assert "11, image 2" in text
    assert "curl " in text
    assert 'Client("' in text
    site.page.keyboard.press("ArrowRight")
    assert "Image 1 of 2" in dialog.inner_text()
    curl = dialog.locator("[data-code=curl]").inner_text()
    body = json.loads(re.search(r"-d '([^']+)'", curl)[1])  # pyright: ignore[reportOptionalSubscript]
    assert body == {"model": "tiny-cnn", "n": 1, "seed": 11, "temperature": 1}
    site.page.keyboard.press("Escape")
    assert dialog.count() == 0


def test_lines_of_python_draw_the_same_image(site: Site, tmp_path: Path) -> None:
    """What the page offers to copy works as it stands, with the files that it offers."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.fill("n", "2")
    site.submit()
    site.wait_for_standing("Done")
    shown = site.pixels(0)
    tile = site.view.locator("button.tile").first
    sample = int(tile.get_attribute("data-sample"))
    tile.click()
    dialog = site.page.get_by_role("dialog")
    for name in ("given.png", "mask.png"):
        with site.page.expect_download() as download:
            dialog.get_by_role("link", name=name).click()
        download.value.save_as(tmp_path / name)
    lines = dialog.locator("[data-code=python]").inner_text()
    assert f"sample={sample}" in lines
    subprocess.run([sys.executable, "-c", lines], cwd=tmp_path, check=True, timeout=60)
    assert list(Image.open(tmp_path / "image.png").tobytes()) == shown


def test_dropped_picture_restores_its_settings(site: Site, tmp_path: Path) -> None:
    """A downloaded PNG brings back the model, the seed and the temperature that drew it."""
    asked = {"model": "tiny-rgb", "n": 2, "seed": 4321, "temperature": 0.5}
    job = site.service.post("/sample", asked)
    site.service.get(f"/jobs/{job['id']}?wait=20")
    picture = tmp_path / "kept.png"
    picture.write_bytes(httpx.get(f"{site.service.url}/jobs/{job['id']}/image?sample=1").content)
    site.open("history")
    site.drop("main", picture)
    site.page.locator("#view-sample").wait_for()
    assert "4321" in site.page.locator("#notice").inner_text()
    assert site.view.locator("input[type=radio]:checked").get_attribute("value") == "tiny-rgb"
    assert site.view.locator("[data-field=seed] input").input_value() == "4321"
    assert site.view.locator("[data-field=n] input").input_value() == "2"
    assert site.view.locator("[data-field=temperature] output").inner_text() == "0.50"


def test_completion_keeps_what_is_given_and_shows_the_original(site: Site) -> None:
    """Pixels outside the hole are the original's, in every completion."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.view.get_by_label("Digit 6").check()
    site.view.get_by_role("button", name="Lower half").click()
    assert "15 pixels of 30" in site.view.locator("[data-count]").inner_text()
    site.fill("n", "3")
    site.submit()
    site.wait_for_standing("Done")
    assert site.view.locator(".tile.original").count() == 1
    assert site.service.get(f"/jobs/{site.job_id}")["filled_pixels"] == 15
    tops = [site.pixels(i)[:15] for i in range(3)]
    assert tops[0] == tops[1] == tops[2]


def test_hole_is_painted_erased_and_undone(site: Site) -> None:
    """Brush, eraser, box, undo, invert and clear do what they say."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    count = site.view.locator("[data-count]")
    canvas = site.view.locator(".mask-editor canvas")
    site.view.get_by_role("button", name="Clear").click()
    assert count.inner_text().startswith("0 pixels")
    site.view.get_by_role("button", name="Box").click()
    canvas.evaluate("node => node.scrollIntoView({block: 'center'})")
    box = canvas.bounding_box()
    cell = box["width"] / 5
    site.page.mouse.move(box["x"] + 0.5 * cell, box["y"] + 0.5 * cell)
    site.page.mouse.down()
    site.page.mouse.move(box["x"] + 2.5 * cell, box["y"] + 1.5 * cell)
    site.page.mouse.up()
    assert count.inner_text().startswith("6 pixels")
    site.view.get_by_role("button", name="Invert").click()
    assert count.inner_text().startswith("24 pixels")
    site.view.get_by_role("button", name="Undo").click()
    assert count.inner_text().startswith("6 pixels")
    site.view.get_by_role("button", name="Erase").click()
    site.view.locator(".size input").fill("1")
    canvas.evaluate("node => node.scrollIntoView({block: 'center'})")
    box = canvas.bounding_box()
    site.page.mouse.click(box["x"] + 0.5 * cell, box["y"] + 0.5 * cell)
    assert count.inner_text().startswith("5 pixels")


def test_own_picture_is_fitted_to_the_model(site: Site) -> None:
    """A picture of any size is cut and shrunk in the page, so that the server takes it."""
    site.open("complete")
    site.choose_model("tiny-rgb")
    site.view.locator("input[type=file]").set_input_files("docs/img/samples.png")
    site.submit()
    site.wait_for_standing("Done")
    assert site.service.get(f"/jobs/{site.job_id}")["model"] == "tiny-rgb"


def test_upsampling_shows_both_stages(site: Site) -> None:
    """The small picture stands beside the large ones, and in the large view."""
    site.open("upsample")
    site.choose_model("tiny-scales")
    site.fill("n", "2")
    site.submit()
    site.wait_for_standing("Done")
    assert "2 × 3" in site.view.locator(".tile.original").inner_text()
    site.view.locator("button.tile").first.click()
    assert "First stage, 2 × 3" in site.page.get_by_role("dialog").inner_text()


def test_cancel_ends_the_job(site: Site) -> None:
    """A long job stops when it is told to, and the page says so."""
    site.open("sample")
    site.choose_model("tiny-diagonal")
    site.fill("n", "64")
    site.submit()
    site.wait_for_standing("Drawing")
    site.view.get_by_role("button", name="Cancel").click()
    site.wait_for_standing("Canceled")
    assert site.service.get(f"/jobs/{site.job_id}")["status"] == "canceled"
