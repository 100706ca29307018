"""The same seeds under several models, and one model at several temperatures."""

import io
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.browser.site import Site


def test_models_are_compared_on_the_same_seeds(site: Site, tmp_path: Path) -> None:
    """A row for each, with the images that the model draws from that seed; opened large, and saved as one picture."""
    site.open("compare")
    boxes = site.view.locator("[data-field=model] input[type=checkbox]")
    boxes.first.wait_for()
    for box in boxes.all():
        box.set_checked(box.get_attribute("value") in ("tiny-cnn", "tiny-diagonal"))
    site.fill("n", "2")
    site.fill("seed", "3")
    site.submit()
    site.view.get_by_role("button", name="Save as one picture").wait_for()
    assert site.view.locator(".row strong").all_inner_texts() == [
        "tiny-cnn",
        "tiny-diagonal",
    ]
    job = site.service.post("/sample", {"model": "tiny-diagonal", "n": 1, "seed": 3})
    site.service.get(f"/jobs/{job['id']}?wait=20")
    drawn = Image.open(
        io.BytesIO(
            httpx.get(f"{site.service.url}/jobs/{job['id']}/image", timeout=60).content
        )
    )
    assert site.pixels(2) == list(drawn.convert("RGB").getchannel("R").tobytes())
    dialog = site.open_large(3)
    assert "tiny-diagonal" in dialog.inner_text()
    site.page.keyboard.press("Escape")
    with site.page.expect_download() as download:
        site.view.get_by_role("button", name="Save as one picture").click()
    download.value.save_as(tmp_path / "both.png")
    with Image.open(tmp_path / "both.png") as picture:
        assert picture.width >= 2 * 5 * 8
    before = [site.pixels(i) for i in range(4)]
    site.page.reload()
    site.view.get_by_role("button", name="Save as one picture").wait_for()
    assert [site.pixels(i) for i in range(4)] == before
    site.view.locator(".history strong", has_text="Compare").first.wait_for()
    assert site.view.locator(".history li").count() <= 2  # one line for all rows


def test_one_model_is_compared_at_several_temperatures(site: Site) -> None:
    """From cold to hot, in one column the same throws of the dice."""
    site.open("sample")
    site.view.get_by_label("Compare").select_option("temperatures")
    site.choose_model("tiny-cnn")
    site.fill("n", "1")
    with site.page.expect_request("**/sample") as asked:
        site.submit()
    site.view.get_by_role("button", name="Save as one picture").wait_for()
    assert site.view.locator(".row").count() == 5
    assert asked.value.post_data_json["temperature"] == 0.3


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ("by=models&models=nope,tiny-cnn&n=2&seed=1&temperature=1", "drawn by nope"),
        ("by=models&models=tiny-cnn&n=2&seed=1", "a part of it is missing or wrong"),
    ],
)
def test_link_that_cannot_be_compared_says_why(
    site: Site, place: str, words: str
) -> None:
    """A model that nobody has, or a number that is missing: a sentence, and nothing is drawn."""
    site.page.goto(f"/#compare/{place}")
    site.view.locator(".trouble:visible", has_text=words).wait_for()
    assert site.view.locator(".comparison button.tile").count() == 0


def test_all_fields_are_in_sight_on_a_laptop(site: Site) -> None:
    """None lies below the button, which stands at the lower edge of the screen."""
    site.page.set_viewport_size({"width": 1366, "height": 768})
    site.open("sample")
    by = site.view.get_by_label("Compare").bounding_box()
    button = site.view.locator("button.primary").bounding_box()
    assert by["y"] + by["height"] <= button["y"] < 768
