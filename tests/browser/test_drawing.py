"""Drawing, completing and enlarging, as a person does it."""

import io
import math
import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from tests.browser.site import Site
from tests.house.processes import eventually


def _draw(site: Site, model: str, n: int, seed: str = "5") -> None:
    site.open("sample")
    site.choose_model(model)
    site.fill("n", str(n))
    site.fill("seed", seed)
    site.submit()
    site.wait_for_standing("Done")


def test_card_says_what_the_model_is(site: Site) -> None:
    """Its picture or its size, and its network; no nats, which most people do not know."""
    site.open("sample")
    card = site.view.locator(".card", has_text="tiny-scales")
    assert "Multi-Scale Row LSTM · 4 × 6 colour" in card.inner_text()
    assert "nats" not in card.inner_text()
    assert card.locator(".card-picture").inner_text() == "4 × 6"


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
    site.view.locator(".history [title*='seed 7']").wait_for()


def test_seed_that_is_shown_is_the_seed_that_is_drawn(site: Site) -> None:
    """Also after a throw of the dice; the next drawing has a new one, unless it is not wanted."""
    site.open("sample")
    site.choose_model("tiny-cnn")
    site.fill("n", "1")
    seed = site.view.locator("[data-field=seed] input").first
    first = seed.input_value()
    site.view.get_by_label("Another seed").click()
    drawn = seed.input_value()
    assert drawn != first
    site.submit()
    site.wait_for_standing("Done")
    assert site.service.get(f"/jobs/{site.job_id}")["seed"] == int(drawn)
    site.view.get_by_text(f"seed {drawn}").wait_for()
    kept = seed.input_value()
    assert kept != drawn
    site.view.get_by_label("New seed each time").uncheck()
    before = site.page.url
    site.submit()
    site.page.wait_for_url(lambda url: url != before)
    site.wait_for_standing("Done")
    assert site.service.get(f"/jobs/{site.job_id}")["seed"] == int(kept)
    assert seed.input_value() == kept


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
    dialog.get_by_text(re.compile(r"\d bits")).wait_for()
    assert "Bits/dim" not in dialog.inner_text(), "that is for those who know"
    dialog.get_by_text("For those who know").click()
    dialog.get_by_text("nats").first.wait_for()
    text = dialog.inner_text()
    assert "Image 2 of 2" in text
    assert "11, image 2" in text
    site.page.keyboard.press("ArrowRight")
    assert "Image 1 of 2" in dialog.inner_text()
    site.page.keyboard.press("Escape")
    assert dialog.count() == 0


def test_downloaded_image_brings_its_settings_back(site: Site, tmp_path: Path) -> None:
    """The file that the large view gives away has the seed in it, and which of the images it is; dropped on another
    view, it leads back to this one."""
    _draw(site, "tiny-cnn", n=3, seed="99")
    shown = site.pixels(2)
    dialog = site.open_large(2)
    with site.page.expect_download() as download:
        dialog.get_by_role("button", name="Download PNG").click()
    assert download.value.suggested_filename == "tiny-cnn-99-image3-x8.png"
    kept = tmp_path / "kept.png"
    download.value.save_as(kept)
    with Image.open(kept) as picture:
        assert picture.size == (8 * 5, 8 * 6)
        assert list(picture.resize((5, 6), Image.Resampling.NEAREST).tobytes()) == shown
    site.page.goto("about:blank")
    site.open("inspect")
    site.drop("main", kept)
    site.page.locator("#view-sample").wait_for()
    assert site.view.locator("[data-field=seed] input").first.input_value() == "99"
    assert site.view.locator("[data-field=n] input").first.input_value() == "1"
    site.view.get_by_text("The first image has the number 2 among those").wait_for()
    site.submit()
    site.wait_for_standing("Done")
    assert site.pixels(0) == shown


def test_all_images_are_saved_as_one(site: Site, tmp_path: Path) -> None:
    """A grid, as the server makes it."""
    _draw(site, "tiny-cnn", n=4)
    with site.page.expect_download() as download:
        site.view.get_by_role("button", name="Save all").click()
    download.value.save_as(tmp_path / "all.png")
    with Image.open(tmp_path / "all.png") as picture:
        assert picture.size == (2 * 5 + 1, 2 * 6 + 1)


def test_drawing_is_replayed(site: Site) -> None:
    """All rows come once more, slowly, to the same images."""
    _draw(site, "tiny-cnn", n=2)
    before = [site.pixels(i) for i in range(2)]
    begins_empty = """node => {
      node.click();
      const canvas = document.querySelectorAll("section.view:not([hidden]) button.tile canvas")[1];
      const data = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
      return data.some((value, i) => i % 4 === 3 && value === 0);
    }"""
    assert site.view.get_by_role("button", name="Replay").evaluate(begins_empty)
    assert eventually(lambda: [site.pixels(i) for i in range(2)] == before)


def test_dropped_completion_restores_picture_and_hole(
    site: Site, tmp_path: Path
) -> None:
    """Where this browser knows what the hole was, all of it is back."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.view.get_by_label("Digit 8").check()
    site.view.get_by_role("button", name="Right half").click()
    site.fill("seed", "31")
    site.fill("n", "1")
    site.submit()
    site.wait_for_standing("Done")
    shown = site.pixels(0)
    dialog = site.open_large(0)
    with site.page.expect_download() as download:
        dialog.get_by_role("button", name="Download PNG").click()
    download.value.save_as(tmp_path / "kept.png")
    site.page.goto("about:blank")
    site.open("sample")
    site.drop("main", tmp_path / "kept.png")
    site.page.locator("#view-complete:visible").wait_for()
    site.view.locator("[data-count]", has_text="12 pixels of 30").wait_for()
    assert site.view.get_by_label("Your picture").is_checked()
    site.submit()
    site.wait_for_standing("Done")
    assert site.pixels(0) == shown


@pytest.mark.parametrize("temperature", [0.333, 5])
def test_opened_picture_restores_its_settings(
    site: Site, tmp_path: Path, temperature: float
) -> None:
    """A downloaded PNG that is opened brings back the model, the seed and the temperature that drew it, exactly."""
    asked = {"model": "tiny-rgb", "n": 2, "seed": 4321, "temperature": temperature}
    job = site.service.post("/sample", asked)
    site.service.get(f"/jobs/{job['id']}?wait=20")
    picture = tmp_path / "kept.png"
    picture.write_bytes(
        httpx.get(
            f"{site.service.url}/jobs/{job['id']}/image?sample=1", timeout=60
        ).content
    )
    site.open("sample")
    site.view.locator("input[type=file]").set_input_files(picture)
    site.page.locator("#notice", has_text="4321").wait_for()
    assert (
        site.view.locator("input[name^=model]:checked").get_attribute("value")
        == "tiny-rgb"
    )
    assert site.view.locator("[data-field=seed] input").first.input_value() == "4321"
    assert site.view.locator("[data-field=n] input").input_value() == "1"
    assert site.view.locator(
        "[data-field=temperature] input"
    ).first.input_value() == str(temperature)
    with site.page.expect_response("**/sample") as made:
        site.submit()
    assert made.value.json()["temperature"] == temperature
    assert (made.value.json()["first"], made.value.json()["n"]) == (1, 1)


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
    tiles = site.view.locator("button.tile")
    ranking = site.service.get(f"/jobs/{site.job_id}")["result"]["ranking"]
    assert [int(tile.get_attribute("data-sample")) for tile in tiles.all()] == [
        one["sample"] for one in ranking
    ]
    assert (
        tiles.first.inner_text()
        == f"Likeliest · {ranking[0]['nats'] / math.log(2):.1f} bits"
    )
    assert [one["nats"] for one in ranking] == sorted(one["nats"] for one in ranking)
    dialog = site.open_large(0)
    assert "Likeliest of 3" in dialog.inner_text()
    site.page.keyboard.press("ArrowRight")
    assert "2nd likeliest of 3" in dialog.inner_text()


@pytest.mark.parametrize("rule", ["Lower half", "Right half"])
def test_completion_says_how_good_it_is(site: Site, rule: str) -> None:
    """In words, with a map of what is uncertain beside the images: bright in the hole, black where pixels are given."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.view.get_by_role("button", name=rule).click()
    site.submit()
    site.wait_for_standing("Done")
    receipt = site.service.get(f"/jobs/{site.job_id}")["result"]["posterior"]
    assert receipt["exact"] == (rule == "Lower half")
    site.wait_for_standing(f"{receipt['quality']}: ")
    uncertain = site.view.get_by_label("Uncertain where bright")
    uncertain.wait_for()
    light = uncertain.evaluate(
        "node => [...node.getContext('2d').getImageData(0, 0, 5, 6).data].filter((_, i) => i % 4 === 0)"
    )
    assert max(light[:2]) == (0 if rule == "Lower half" else light[0])
    assert light[29] > 100


def test_hole_is_painted_erased_and_undone(site: Site) -> None:
    """Unknown, as given, black, box, undo, invert and clear do what they say."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    count = site.view.locator("[data-count]")
    canvas = site.view.locator("canvas.paper")
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
    site.view.get_by_role("button", name="Box").click()
    site.view.get_by_role("button", name="As given").click()
    site.view.locator(".size input").fill("1")
    canvas.evaluate("node => node.scrollIntoView({block: 'center'})")
    box = canvas.bounding_box()
    site.page.mouse.click(box["x"] + 0.5 * cell, box["y"] + 0.5 * cell)
    assert count.inner_text().startswith("5 pixels")
    site.view.get_by_role("button", name="Unknown").click()
    site.page.mouse.move(box["x"] + 0.5 * cell, box["y"] + 4.5 * cell)
    site.page.mouse.down()
    site.page.mouse.move(box["x"] + 4.5 * cell, box["y"] + 4.5 * cell)
    site.page.mouse.up()
    assert count.inner_text().startswith("10 pixels")
    site.view.locator(".size input").fill("3")
    site.page.mouse.click(box["x"] + 3.5 * cell, box["y"] + 4.5 * cell)
    assert count.inner_text().startswith("16 pixels")
    site.view.get_by_role("button", name="Right half").click()
    assert count.inner_text().startswith("12 pixels")
    for left in (16, 10, 5, 6):
        canvas.press("Control+z")
        assert count.inner_text().startswith(f"{left} pixels")


def test_own_picture_is_fitted_to_the_model(site: Site, tmp_path: Path) -> None:
    """A picture of any size is cut and shrunk in the page; it stands among the examples, and stays for other models."""
    own = tmp_path / "own.jpg"
    Image.new("RGB", (301, 97), (255, 0, 0)).save(own)
    site.open("complete")
    site.choose_model("tiny-rgb")
    site.view.locator(".example").first.wait_for()
    site.drop("#view-complete .drop", own, "image/jpeg")
    site.view.get_by_label("Your picture").wait_for()
    # which would be taken whole
    site.view.get_by_label("Size of the picture").select_option("fitted to 4 × 5")
    site.fill("n", "1")
    site.submit()
    site.wait_for_standing("Done")
    given = site.view.locator(".tile.original canvas")
    assert given.evaluate("node => [node.width, node.height]") == [4, 5]
    assert given.evaluate(
        "node => [...node.getContext('2d').getImageData(0, 0, 1, 1).data]"
    ) == [255, 0, 0, 255]


def test_sampling_in_two_stages_shows_both(site: Site) -> None:
    """What a Multi-Scale model drew first is seen in the large view."""
    _draw(site, "tiny-scales", n=1)
    dialog = site.open_large(0)
    assert "First stage, 2 × 3" in dialog.inner_text()
    small = dialog.locator(".first-stage canvas").evaluate(
        "node => [...node.getContext('2d').getImageData(0, 0, 2, 3).data].filter((_, i) => i % 4 === 0)"
    )
    picture = httpx.get(
        f"{site.service.url}/jobs/{site.job_id}/image?stage=small", timeout=60
    ).content
    assert list(Image.open(io.BytesIO(picture)).getchannel("R").tobytes()) == small


def test_examples_are_what_the_model_knows(site: Site) -> None:
    """A photograph says nothing of a model of emoji, a digit nothing of one of floor plans."""
    _claim(
        site,
        "tiny-rgb",
        {
            "plans": "floor plans by rules (...)",
            "emoji": "emoji of six open sets (...)",
        },
    )
    site.open("complete")
    for kind, example in (("Floor plans", "Floor plan 1"), ("Emoji", "Mushroom")):
        site.view.locator(".card", has_text=kind).click()
        site.view.get_by_label(example).wait_for()


def test_settings_are_folded_until_they_are_wanted(site: Site) -> None:
    """The pad, its examples and the button are seen; the fold names the model, and opens where a field is wrong."""
    site.page.goto("/#complete")
    fold = site.view.get_by_text("Settings: ")
    fold.wait_for()
    number = site.view.locator("[data-field=n] input")
    assert not number.is_visible()
    assert site.view.locator("canvas.paper").is_visible()
    number.evaluate("node => (node.value = '')")
    site.submit()
    site.trouble("n")
    assert number.is_visible()


def _claim(site: Site, model: str, data: dict[str, str]) -> None:
    """Let the page believe in copies of one model, by their names, that were trained on other data."""

    def told_otherwise(route: Any) -> None:
        answer = route.fetch()
        told = answer.json()
        (real,) = [one for one in told["models"] if one["name"] == model]
        route.fulfill(
            response=answer,
            json=told
            | {"models": [real | {"name": k, "data": v} for k, v in data.items()]},
        )

    site.page.route("**/models", told_otherwise)


def test_service_decodes_a_coded_file_that_is_dropped(
    site: Site, tmp_path: Path
) -> None:
    """The page shows its pictures, or says why it has none."""
    url = site.service.url
    coded = tmp_path / "a.pxrn"
    pictures = []
    files = []
    for red in (85, 255):
        picture = Image.new("RGB", (4, 5), (red, 0, 0))
        picture.save(file := io.BytesIO(), "png")
        pictures.append(list(picture.convert("RGBA").tobytes()))
        files.append(("image", ("i.png", file.getvalue())))
    answer = httpx.post(
        f"{url}/encode",
        data={"model": "tiny-rgb"},
        files=files,
        headers={"Prefer": "wait=30"},
        timeout=90,
    )
    assert answer.status_code == 200, answer.text
    job = answer.json()
    blob = httpx.get(f"{url}/jobs/{job['id']}/blob", timeout=90)
    coded.write_bytes(blob.content)
    site.open("sample")
    site.drop("main", coded, "")
    notice = site.page.locator("#notice")
    notice.get_by_text("2 pictures, without loss, decoded by tiny-rgb").wait_for()
    shown = notice.locator("canvas").evaluate_all(
        """all => all.map((canvas) => {
          const context = canvas.getContext("2d");
          return [...context.getImageData(0, 0, canvas.width, canvas.height).data];
        })"""
    )
    assert shown == pictures
    coded.write_bytes(b"nothing")
    site.drop("main", coded, "")
    notice.get_by_text("it does not begin with PXRN").wait_for()
