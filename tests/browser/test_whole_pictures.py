"""Complete of any size: a larger picture is shown whole, and its holes are filled where they are."""

import io
import random
from pathlib import Path

import httpx
import pytest
from PIL import Image

from tests.browser.site import Site

SIZE = (40, 30)
ONLY = "Only a service fills holes in larger pictures, and none is there now."

KEEP_PAINTED = """() => {
  window.painted = [];
  const draw = CanvasRenderingContext2D.prototype.drawImage;
  CanvasRenderingContext2D.prototype.drawImage = function (part, left, top, ...rest) {
    if (!rest.length && this.canvas.closest(".tile")) {
      const { data } = part.getContext("2d").getImageData(0, 0, part.width, part.height);
      for (let i = 0; i < part.width * part.height; i += 1)
        if (data[4 * i + 3]) painted.push([left + i % part.width, top + Math.floor(i / part.width)]);
    }
    return draw.call(this, part, left, top, ...rest);
  };
}"""
"""Keeps the pixels that parts of a picture paint on the tiles while it is drawn."""


@pytest.fixture
def own(tmp_path: Path) -> Path:
    path = tmp_path / "own.png"
    Image.frombytes(
        "RGB", SIZE, random.Random(3).randbytes(3 * SIZE[0] * SIZE[1])
    ).save(path)
    return path


def _open(site: Site, own: Path) -> None:
    site.open("complete")
    site.view.locator("input[type=file]").set_input_files(own)
    site.view.locator(".example:has(:checked)[title='Your picture']").wait_for()
    site.choose_model("tiny-cnn")  # a picture in colours chooses its model by itself
    site.view.get_by_label("Size of the picture").select_option(
        index=0
    )  # black and white is fitted at first
    site.view.locator(".pad.whole").wait_for()


def _paint(site: Site, *pixels: tuple[int, int]) -> None:
    site.view.locator(".size input").fill("1")
    for x, y in pixels:
        site.click_pixel(site.view.locator("canvas.paper"), x, y, SIZE)


def test_holes_of_a_larger_picture_are_filled_where_they_are(
    site: Site, own: Path
) -> None:
    """The file is sent as it came, each hole is a cut-out of its own, and not one other pixel changes."""
    _open(site, own)
    _paint(site, (10, 8), (30, 20))
    site.fill("n", "2")
    site.page.evaluate(KEEP_PAINTED)
    with site.page.expect_response("**/complete") as asked:
        site.submit()
    assert len(asked.value.json()["cutouts"]) == 2
    site.wait_for_standing(r"Done: 2 images.*·")
    job = site.service.get(f"/jobs/{site.job_id}")
    words = [cutout["quality"] for cutout in job["result"]["cutouts"]]
    assert all(word in site.wait_for_standing("Done") for word in words)
    before, after = Image.open(own), _image(site, job["id"])
    changed = {
        (x, y)
        for x in range(SIZE[0])
        for y in range(SIZE[1])
        if _rgb(before, x, y) != _rgb(after, x, y)
    }
    assert changed <= {(10, 8), (30, 20)}
    site.page.wait_for_function(
        "() => document.querySelector('button.tile canvas').className === 'whole'"
    )
    assert site.pixels(0) == list(after.getchannel("R").tobytes())
    painted = site.page.evaluate("painted")
    assert {(x, y) for x, y in painted} <= {(10, 8), (30, 20)}
    dialog = site.open_large(0)
    assert "40 × 30" in dialog.inner_text()


def _image(site: Site, job: str) -> Image.Image:
    return Image.open(
        io.BytesIO(
            httpx.get(
                f"{site.service.url}/jobs/{job}/image?sample=0", timeout=60
            ).content
        )
    )


def _rgb(picture: Image.Image, x: int, y: int) -> object:
    return picture.convert("RGB").getpixel((x, y))


def test_what_the_service_would_refuse_is_said_before(site: Site, own: Path) -> None:
    """Too large a hole, too many, and a service that is away: nothing is sent."""
    _open(site, own)
    sent: list[str] = []
    site.page.on(
        "request",
        lambda request: sent.append(request.url) if request.method == "POST" else None,
    )
    _paint(site, (10, 8), (12, 8))
    site.submit()
    assert (
        site.trouble("mask")
        == "A hole, with those beside it, has 1 × 2 pixels here at most."
    )
    assert sent == []
    site.context.set_offline(True)
    site.page.wait_for_function(
        "() => document.querySelector('#fleet').dataset.state === 'lost'"
    )
    site.submit()
    assert site.trouble("form") == ONLY
    site.context.set_offline(False)
    site.view.locator("[data-field=form] .trouble").wait_for(state="hidden")
    assert sent == []


def test_photograph_is_made_smaller_and_may_be_fitted(
    site: Site, tmp_path: Path
) -> None:
    """No more than the service takes, which is said; in a smaller one a hole has more of the picture."""
    own = tmp_path / "photo.jpg"
    Image.linear_gradient("L").resize((3000, 2400)).convert("RGB").save(own)
    _open(site, own)
    share = site.view.get_by_label("Size of the picture")
    assert "made smaller" in site.view.locator("[data-field=share]").inner_text()
    assert share.locator("option").first.inner_text() == "2048 × 1638"
    share.select_option("fitted to 5 × 6")
    site.view.locator("[data-count]", has_text="of 30").wait_for()
    share.select_option("128 × 102")
    site.view.locator("[data-count]", has_text="of 13,056").wait_for()


def test_boxes_of_holes_are_the_services(site: Site) -> None:
    """Holes fewer than four pixels apart are one; a hole that is too large is found before all are looked at."""
    site.open("history")
    found = site.page.evaluate(
        """async () => {
          const {holesIn} = await import("/playground/js/pixels/holes.js");
          const hole = (...pixels) => Uint8Array.from({length: 1600}, (_, i) =>
            Number(pixels.some(([x, y]) => i === 40 * y + x)));
          const size = {width: 40, height: 40}, model = {width: 10, height: 10};
          return [
            hole([5, 5], [8, 5]), hole([5, 5], [10, 5], [30, 30]), hole([5, 5], [5, 9], [8, 7]),
            hole([5, 5], [12, 5], [9, 7]),
          ].map((one) => holesIn(one, size, model));
        }"""
    )
    assert [(one["count"], one["isLarge"]) for one in found] == [
        (1, False),
        (3, False),
        (1, False),
        (1, True),
    ]
