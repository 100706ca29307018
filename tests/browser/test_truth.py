"""What the page shows is what is so: of late answers, of links, of other screens, of a browser that keeps nothing."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.app.pictures import raw_png
from tests.browser.site import Held, Site
from tests.house.running import Up

SIZE = (5, 6)
"""Of tiny-cnn's pictures."""
BLOCKED = """for (const name of ["localStorage", "sessionStorage"]) {
  Object.defineProperty(window, name, {get() { throw new DOMException("blocked", "SecurityError"); }});
}"""
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"


def _inspect(site: Site, example: str) -> None:
    site.view.get_by_label(example).check()
    site.submit()


def _draw(site: Site, n: int) -> None:
    site.open("sample")
    site.choose_model("tiny-cnn")
    site.fill("n", str(n))
    site.submit()
    site.wait_for_standing("Done")


def test_late_answer_about_a_pixel_is_never_shown(site: Site) -> None:
    """Words and plot are of the pixel that was chosen last, wherever the pointer is."""
    site.open("inspect")
    site.choose_model("tiny-cnn")
    _inspect(site, "Digit 8")
    site.view.locator(".belief").wait_for()
    canvas = site.view.locator(".scored-picture canvas")
    held = Held(site.page, "**/score")
    with site.page.expect_request(
        "**/score"
    ):  # one that is not sent yet when the next comes never is
        site.click_pixel(canvas, 2, 2, SIZE)
    site.view.locator(".beliefs[aria-busy]").wait_for()
    assert site.view.locator(".belief").count() == 0
    canvas.focus()
    for key in ("ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft"):
        site.page.keyboard.press(key)
    with site.page.expect_response("**/score") as second:
        site.page.keyboard.press("Enter")
    site.view.locator(".belief").wait_for()
    held.let_go()
    site.page.mouse.move(0, 0)
    bits = second.value.json()["result"]["pixel"]["colours"][0]["bits"]
    assert (
        site.view.locator(".readout").inner_text()
        == f"Row 1, column 1: {bits:.2f} bits"
    )
    assert f"{bits:.2f} bits)" in site.view.locator(".belief").inner_text()
    canvas.hover(position={"x": 100, "y": 200})
    assert (
        not site.view.locator(".looked-at").inner_text().startswith("Row 1, column 1")
    )
    assert site.view.locator(".readout").inner_text().startswith("Row 1, column 1")


def test_late_answer_about_a_picture_is_never_shown(site: Site) -> None:
    """Form, address and result are of the same picture."""
    site.open("inspect")
    site.choose_model("tiny-cnn")
    held = Held(site.page, re.compile("score-map"))
    with site.page.expect_request(re.compile("score-map")):
        _inspect(site, "Digit 7")
    before = site.page.url
    _inspect(site, "Digit 0")
    site.page.wait_for_url(lambda url: url != before)
    site.view.locator(".belief").wait_for()
    held.let_go()
    nats = site.service.get(f"/jobs/{site.job_id}")["result"]["nats"]
    assert f"{nats:.2f}" in site.view.locator(".facts").text_content()


def test_link_opens_as_it_was_made(site: Site) -> None:
    """In another browser, which never saw the picture: form, hole, original and answers are the same."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.view.get_by_label("Digit 6").check()
    site.view.get_by_role("button", name="Right half").click()
    site.fill("n", "3")
    site.fill("seed", "77")
    site.fill("temperature", "0,7")
    site.submit()
    site.wait_for_standing("Done")
    completion, drawn = site.page.url, [site.pixels(i) for i in range(3)]
    site.open("inspect")
    site.choose_model("tiny-cnn")
    _inspect(site, "Digit 3")
    site.view.locator(".belief").wait_for()
    score, facts = site.page.url, site.view.locator(".readout").inner_text()
    with site.elsewhere(completion) as other:
        other.wait_for_standing("Done")
        other.view.locator("[data-count]", has_text="12 pixels of 30").wait_for()
        shown = {
            name: other.view.locator(f"[data-field={name}] input").first.input_value()
            for name in ("n", "seed")
        }
        assert shown == {"n": "3", "seed": "77"}
        assert (
            other.view.locator("[data-field=temperature] input").first.input_value()
            == "0.7"
        )
        assert other.view.locator(".card input[value=tiny-cnn]").is_checked()
        assert other.view.get_by_label("Your picture").is_checked()
        other.view.locator(".tile.original").wait_for()
        assert [other.pixels(i) for i in range(3)] == drawn
        other.page.goto(score)
        other.view.locator(".belief").wait_for()
        assert other.view.locator(".readout").inner_text() == facts
        assert other.view.get_by_label("Your picture").is_checked()
        assert other.view.get_by_role("button", name="Redraw").is_visible()


def test_images_fit_whatever_becomes_of_the_window(site: Site) -> None:
    """Drawn on a wide screen, looked at on a small one, and back."""
    _draw(site, n=16)
    tile = site.view.locator("button.tile").last
    wide = tile.bounding_box()["width"]
    for width in (1024, 390):
        site.page.set_viewport_size({"width": width, "height": 800})
        assert site.page.evaluate("document.documentElement.scrollWidth") <= width
        box = tile.bounding_box()
        assert box["x"] + box["width"] <= width
    site.page.set_viewport_size({"width": 1280, "height": 900})
    assert tile.bounding_box()["width"] == wide


@pytest.mark.parametrize("trouble", [BLOCKED, FULL])
def test_page_works_where_the_browser_keeps_nothing(site: Site, trouble: str) -> None:
    """Storage that is blocked or full: models are chosen, images drawn, and this tab remembers them."""
    site.page.add_init_script(trouble)
    site.open("complete")
    site.choose_model("tiny-rgb")
    site.view.get_by_label("Boat").check()
    site.choose_model("tiny-cnn")
    site.view.get_by_label("Digit 8").check()
    site.fill("n", "1")
    site.submit()
    site.wait_for_standing("Done")
    site.page.get_by_role("link", name="Sample", exact=True).click()
    site.view.locator(".history").get_by_text("1 image").wait_for()


def test_picture_is_taken_wherever_it_is_dropped_or_pasted(
    site: Site, tmp_path: Path
) -> None:
    """On the canvas, on the stage, and from the clipboard."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.view.locator(".example").first.wait_for()
    middle = ".example:has(:checked) canvas"
    for shade, hand_over in enumerate(
        (
            lambda path: site.drop("#view-complete canvas.paper", path),
            lambda path: site.drop("#view-complete .stage", path),
            site.paste,
        )
    ):
        own = tmp_path / f"{shade}.png"
        Image.new("L", (40, 40), 255 * (shade % 2)).save(own)
        site.view.get_by_label("Digit 8").check()
        hand_over(own)
        site.view.locator(".example:has(:checked)[title='Your picture']").wait_for()
        seen = site.view.locator(middle).evaluate(
            "node => node.getContext('2d').getImageData(2, 2, 1, 1).data[0]"
        )
        assert seen == 255 * (shade % 2)


def test_picture_of_colours_names_the_model_that_keeps_them(
    site: Site, tmp_path: Path
) -> None:
    """A photo on a model of black and white would become a blob: another model is chosen,
    and the page says so. Whoever goes back is told what is lost, with the way out."""
    own = tmp_path / "own.png"
    Image.new("RGB", (40, 40), (220, 30, 60)).save(own)
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.view.locator(".example").first.wait_for()
    site.drop("#view-complete .stage", own)
    turned = site.view.get_by_text("Your picture has colours")
    turned.get_by_role("button").click()
    said = site.view.get_by_text("This is a picture of colours")
    said.wait_for()
    said.get_by_role("button").click()
    said.wait_for(state="hidden")
    assert site.view.locator(
        ".example:has(:checked)[title='Your picture']"
    ).is_visible()
    site.choose_model("tiny-cnn")
    said.wait_for()
    site.view.get_by_label("Digit 8").check()
    said.wait_for(state="hidden")


def test_words_of_trouble_go_when_their_cause_goes(site: Site, tmp_path: Path) -> None:
    """A good file after a bad one, and a server that is back; what was typed is kept."""
    wrong, right = tmp_path / "wrong.png", tmp_path / "right.png"
    wrong.write_text("this is no picture")
    Image.new("L", (9, 9)).save(right)
    site.open("complete")
    site.view.locator("input[type=file]").set_input_files(wrong)
    assert "cannot be read" in site.trouble("image")
    site.view.locator("input[type=file]").set_input_files(right)
    site.view.locator("[data-field=image] .trouble").wait_for(state="hidden")
    site.open("sample")
    site.choose_model("tiny-scales")  # which this browser cannot do instead
    site.fill("seed", "5")
    for path in ("**/sample", "**/models"):
        site.page.route(path, lambda route: route.abort())
    site.submit()
    assert "does not answer" in site.trouble("form")
    assert site.view.locator("[data-field=seed] input").first.input_value() == "5"
    site.page.locator("#fleet", has_text="Not connected").wait_for()
    site.page.unroute("**/models")
    site.view.locator("[data-field=form] .trouble").wait_for(
        state="hidden"
    )  # when the models are asked for again


def test_huge_picture_is_refused_before_it_is_decoded(
    site: Site, tmp_path: Path
) -> None:
    """Its size stands in its first bytes: 31 kB can be a gigabyte of pixels."""
    huge = tmp_path / "huge.png"
    huge.write_bytes(raw_png(16_000, 16_000, 1, 0, bytes(2001 * 16_000)))
    site.page.add_init_script(
        """window.decoded = 0;
        const decode = createImageBitmap;
        window.createImageBitmap = (file, ...rest) => {
          decoded += file instanceof Blob;
          return decode(file, ...rest);
        };"""
    )
    site.open("complete")
    site.view.locator("input[type=file]").set_input_files(huge)
    assert "too large" in site.trouble("image")
    assert site.page.evaluate("decoded") == 0


@pytest.mark.parametrize(
    ("kind", "options"), [("JPEG", {}), ("WEBP", {}), ("WEBP", {"lossless": True})]
)
def test_size_of_a_file_is_read_from_its_first_bytes(
    site: Site, tmp_path: Path, kind: str, options: dict
) -> None:
    """Pictures of each kind are taken."""
    own = tmp_path / f"own.{kind.lower()}"
    Image.new("RGB", (1500, 700), (255, 255, 255)).save(own, kind, **options)
    site.open("complete")
    site.view.locator("input[type=file]").set_input_files(own)
    site.view.get_by_label("Your picture").wait_for()


def test_redrawn_images_come_into_sight(site: Site) -> None:
    """Below the heat map, where nobody looks."""
    site.page.set_viewport_size({"width": 1024, "height": 600})
    site.open("inspect")
    site.choose_model("tiny-cnn")
    _inspect(site, "Digit 8")
    site.view.locator(".belief").wait_for()
    site.view.get_by_role("button", name="Redraw").click()
    site.wait_for_standing("Done")
    top = site.view.locator(".board").bounding_box()["y"]
    assert 0 <= top < 300


def test_what_is_chosen_is_seen_in_the_colours_of_the_reader(site: Site) -> None:
    """Where the system replaces all colours, a frame remains."""
    site.page.emulate_media(forced_colors="active")
    site.open("complete")
    framed: Callable[[str], str] = lambda selector: site.view.locator(  # noqa: E731
        selector
    ).first.evaluate("node => getComputedStyle(node).outlineStyle")
    site.view.locator(".example:has(:checked)").wait_for()
    for kind in (".card", ".example"):
        assert framed(f"{kind}:has(:checked)") == "solid"
        assert framed(f"{kind}:not(:has(:checked))") == "none"
    assert (framed("[aria-pressed=true]"), framed("[aria-pressed=false]")) == (
        "solid",
        "none",
    )


def test_canvas_is_seen_at_400_percent(site: Site) -> None:
    """A wide screen at 400% is 320 by 225: nothing sticks over what is painted."""
    site.page.set_viewport_size({"width": 320, "height": 225})
    site.open("complete")
    canvas = site.view.locator("canvas.paper")
    site.view.locator(
        "[data-count]", has_text=re.compile("of (30|20|24)")
    ).wait_for()  # it has its picture
    canvas.evaluate("node => node.scrollIntoView({block: 'start'})")
    seen = canvas.evaluate(
        """node => Array.from({length: innerHeight}, (_, y) => document.elementFromPoint(innerWidth / 2, y))
          .filter(found => found === node).length"""
    )
    assert seen > 180


def test_hole_is_taken_back_done_again_and_survives_another_model(site: Site) -> None:
    """By key from anywhere in the view; back at the first size it is exactly as it was."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    count = site.view.locator("[data-count]")
    undo, redo = (
        site.view.get_by_role("button", name=name) for name in ("Undo", "Redo")
    )
    assert undo.is_disabled()
    assert redo.is_disabled()
    site.view.get_by_role("button", name="Clear").click()
    site.click_pixel(site.view.locator("canvas.paper"), 1, 4, SIZE)
    painted = count.inner_text()
    assert re.match(r"[1-9]\d? pixels of 30", painted)
    for keys, words in (
        ("Control+z", "0 pixels"),
        ("Control+z", "15 pixels"),
        ("Control+y", "0 pixels"),
        ("Control+Shift+z", painted),
    ):
        site.page.keyboard.press(keys)
        assert count.inner_text().startswith(words)
    site.choose_model("tiny-rgb")
    count.filter(has_text=re.compile("^[1-9].* of 20")).wait_for()
    site.choose_model("tiny-cnn")
    count.filter(has_text=painted).wait_for()


def test_original_has_its_place_among_the_answers(site: Site) -> None:
    """It is scored as they are, and what was drawn is framed in each of them."""
    site.open("complete")
    site.choose_model("tiny-cnn")
    site.fill("n", "3")
    site.submit()
    original = site.view.locator(".tile.original .caption", has_text="bits")
    original.wait_for()
    said = site.view.locator(".tile:not(.map) .caption").all_inner_texts()
    bits = [float(text.split("·")[1].split()[0]) for text in said]
    assert bits == sorted(bits)
    assert sorted(text.split(" ·")[0] for text in said) == [
        "2nd",
        "3rd",
        "Likeliest",
        "Original",
    ]
    assert site.view.locator("button.tile .outline").count() == 3


def test_all_jobs_are_forgotten_by_those_who_mean_it(site: Site) -> None:
    """The page asks first."""
    _draw(site, n=1)
    job = site.view.locator(".history li")
    job.wait_for()
    site.page.once("dialog", lambda dialog: dialog.dismiss())
    site.view.get_by_role("button", name="Forget all").click()
    assert job.count() == 1
    site.page.once("dialog", lambda dialog: dialog.accept())
    site.view.get_by_role("button", name="Forget all").click()
    job.wait_for(state="detached")


def test_warm_reload_asks_for_the_page_and_the_api_only(site: Site) -> None:
    """Everything else is kept, and not even asked about."""
    site.open("sample")
    site.page.reload()
    site.view.locator(".card").first.wait_for()
    fetched = site.page.evaluate(
        "performance.getEntriesByType('resource').filter(({transferSize}) => transferSize > 0).map(({name}) => name)"
    )
    assert fetched
    assert [address for address in fetched if "/playground/" in address] == []


def test_page_speaks_german(browser: Any, service: Up) -> None:
    """To whose browser does; English is one choice away."""
    context = browser.new_context(base_url=service.url, locale="de-DE")
    site = Site(context, service)
    site.open("sample")
    assert site.page.evaluate("document.documentElement.lang") == "de"
    assert site.view.locator("h1").inner_text() == "Zeichnen"
    site.choose_model("tiny-cnn")
    site.fill("n", "2")
    site.submit()
    site.wait_for_standing("Fertig: 2 Bilder")
    site.page.get_by_label("Sprache").select_option("en")
    site.page.get_by_role("heading", name="Sample").wait_for()
    site.wait_for_standing("Done: 2 images")
    context.close()
    assert site.complaints == []
