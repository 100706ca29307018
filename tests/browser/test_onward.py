"""Every result is an input: it goes on to other views, to the clipboard, and to the disk at any size."""

import re

import pytest
from PIL import Image, ImageSequence

from tests.browser.site import Site

GIVEN = """() => {
  const canvas = document.querySelector("section.view:not([hidden]) .example:has(:checked) canvas");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return { size: [canvas.width, canvas.height], reds: [...data].filter((_, i) => i % 4 === 0) };
}"""
COPIED = """async () => {
  const [item] = await navigator.clipboard.read();
  const picture = await createImageBitmap(await item.getType("image/png"));
  return [picture.width, picture.height];
}"""


def _draw(site: Site, model: str) -> None:
    site.open("sample")
    site.choose_model(model)
    site.fill("n", "1")
    site.submit()
    site.wait_for_standing("Done")


def _expect_given(
    site: Site, view: str, model: str, size: tuple[int, int], reds: list[int]
) -> None:
    """The view is shown, with this model chosen and this picture given."""
    site.page.wait_for_url(re.compile(f"#{view}$"))
    site.view.locator(".example:has(:checked)[title='Your picture']").wait_for()
    assert site.view.locator(".card input:checked").get_attribute("value") == model
    assert site.page.evaluate(GIVEN) == {"size": list(size), "reds": reds}


@pytest.mark.parametrize("view", ["complete", "inspect"])
def test_image_goes_on_with_the_model_that_drew_it(site: Site, view: str) -> None:
    """Pixel by pixel; where it does not fit, it is not offered."""
    _draw(site, "tiny-rgb")
    reds = site.pixels(0)
    site.page.goto("/#inspect")
    site.choose_model("tiny-cnn")
    site.page.go_back()
    dialog = site.open_large(0)
    dialog.get_by_role("button", name=f"{view.title()} it").click()
    _expect_given(site, view, "tiny-rgb", (4, 5), reds)


def test_inspected_picture_is_completed(site: Site) -> None:
    """It goes on from there, too."""
    site.open("inspect")
    site.choose_model("tiny-cnn")
    site.view.get_by_label("Digit 3").check()
    given = site.page.evaluate(GIVEN)
    site.submit()
    site.view.locator(".belief").wait_for()
    assert not site.view.get_by_role("button", name="Inspect it").count()
    site.view.get_by_role("button", name="Complete it").click()
    _expect_given(site, "complete", "tiny-cnn", (5, 6), given["reds"])


def test_what_the_front_page_wrote_is_a_sample_as_any_other(site: Site) -> None:
    """It is found again, and drawn again; and how it was drawn is saved as a film."""
    site.page.goto("/")
    with site.page.expect_download() as saving:
        site.view.get_by_role("button", name="Save as GIF").click()
    with Image.open(saving.value.path()) as film:
        frames = [frame.convert("RGB") for frame in ImageSequence.Iterator(film)]
        assert film.info["duration"] == 2000
        assert 400 <= max(film.size) <= 448
    assert len(frames) > 75
    assert frames[0].getcolors() == [(film.width * film.height, (51, 64, 95))]
    shown = site.view.locator(".easel canvas").evaluate(
        "node => [...node.getContext('2d').getImageData(9, 9, 1, 1).data].slice(0, 3)"
    )
    assert list(frames[-1].getpixel((9, 9))) == shown
    site.view.get_by_role("link", name="Use this one").click()
    site.wait_for_standing("Done: 1 image")
    assert "#sample/" in site.page.url


def test_image_is_downloaded_and_copied_at_each_size(site: Site) -> None:
    """Each pixel becomes a square."""
    site.context.grant_permissions(["clipboard-read", "clipboard-write"])
    _draw(site, "tiny-cnn")
    reds = site.pixels(0)
    dialog = site.open_large(0)
    for scale in (1, 2, 4, 8, 16):
        dialog.get_by_label("Size").select_option(str(scale))
        with site.page.expect_download() as download:
            dialog.get_by_role("button", name="Download PNG").click()
        picture = Image.open(download.value.path()).convert("L")
        assert picture.size == (5 * scale, 6 * scale)
        assert list(picture.resize((5, 6), Image.Resampling.NEAREST).tobytes()) == reds
        dialog.get_by_role("button", name="Copy picture").click()
        dialog.get_by_text("Copied.").wait_for()
        assert site.page.evaluate(COPIED) == [5 * scale, 6 * scale]


def test_places_for_a_file_are_marked_while_one_is_dragged(site: Site) -> None:
    """Wherever on the page it is, until it leaves or is dropped."""
    site.open("inspect")
    place = site.view.locator(".drop .button")
    colours = []
    for event in ("dragover", "dragleave"):
        site.page.evaluate(
            f"document.body.dispatchEvent(new DragEvent('{event}', {{bubbles: true, cancelable: true}}))"
        )
        colours.append(place.evaluate("node => getComputedStyle(node).outlineStyle"))
    assert colours == ["solid", "none"]
