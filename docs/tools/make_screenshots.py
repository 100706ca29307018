"""Take the pictures of the playground, and the recording of its first view, from a running service.

    python docs/tools/make_screenshots.py http://127.0.0.1:8000

docs/img/page-VIEW-light.webp and -dark.webp: each view after its work is done, on a wide screen. page-phone-*.webp: all
of them on a small one, side by side. watch.gif: a picture that is drawn; what is seen there is what the page shows.
Needs Debian's chromium.
"""

import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image

OUT = Path("docs/img")
MODEL = "mnist-diagonal-bilstm"
COLOUR_MODEL = "cifar10-small-pixelcnn"
LABELLED_MODEL = "mnist-labelled"
WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
SEED = 2016
LIMIT_MS = 60_000
WRITTEN = 400
"""Pixels of the first picture when its picture is taken."""

STROKE = ((0.3, 0.8), (0.5, 0.85), (0.68, 0.75), (0.66, 0.65))
"""Places in parts of the paper's width and height: the lower bow of a 3, or of a 5."""

RECORDED = {"width": 1000, "height": 640}
SHOWN = {"x": 0, "y": 122, "width": 1000, "height": 480}
PIXELS_A_FRAME = 28
FRAME_MS, LAST_FRAME_MS = 240, 4000
FOG_MS, FOG_LIMIT_MS = 900, 5000
"""Until a new fog is seen as it is."""
PHONE_GAP = 24


def main(
    url: Annotated[
        str, typer.Argument(help="Of a running service that has the shipped models.")
    ],
    chromium: Annotated[str, typer.Option(help="The browser.")] = "/usr/bin/chromium",
) -> None:
    """All pictures; takes some minutes."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=chromium, args=["--no-sandbox"]
        )
        for scheme in ("light", "dark"):
            context = browser.new_context(
                base_url=url,
                viewport=WIDE,  # pyright: ignore
            )
            context.add_init_script(_LOOKS[scheme])
            for view, page in worked_views(context.new_page()):
                _save(_shot(page), f"page-{view}-{scheme}.webp")
            context = browser.new_context(
                base_url=url,
                viewport=PHONE,  # pyright: ignore
                has_touch=True,
            )
            context.add_init_script(_LOOKS[scheme])
            _save(
                _beside([_shot(page) for _, page in worked_views(context.new_page())]),
                f"page-phone-{scheme}.webp",
            )
        record(browser.new_context(base_url=url, viewport=RECORDED).new_page())  # pyright: ignore
        browser.close()


_LOOKS = {
    "dark": "",
    "light": "document.documentElement.dataset.theme = 'light';",
}
"""Scheme -> what a page runs first to have it."""


def worked_views(page: Any) -> Iterator[tuple[str, Any]]:
    """The page in each view, when there is something to see."""
    page.set_default_timeout(LIMIT_MS)
    _watch(page, WRITTEN)
    page.get_by_text("It could still become").wait_for()
    page.wait_for_timeout(FOG_MS)
    yield "watch", page
    page.goto("/#bet")
    page.get_by_role("button", name="That is my bet").click()
    yield "bet", page
    page.goto("/#ink")
    _ink(page)
    yield "ink", page
    page.goto("/#real")
    page.locator(".glyph").nth(11).wait_for()
    for place in range(0, 12, 2):
        page.locator(".glyph input").nth(place).check()
    page.get_by_role("button", name="Turn them over").click()
    page.get_by_text("On average the real ones").wait_for()
    yield "real", page
    _begin(page, "sample")
    page.locator("#view-sample [data-field=seed] input").first.fill(str(SEED))
    _submit(page, "sample")
    yield "sample", page
    page.locator("#view-sample button.tile").nth(4).click()
    page.get_by_role("dialog").get_by_text("bits/dim").wait_for()
    yield "image", page
    page.keyboard.press("Escape")
    _begin(page, "sample", LABELLED_MODEL)
    page.locator("#view-sample .labels").get_by_label("One of each").check()
    page.locator("#view-sample [data-field=seed] input").first.fill(str(SEED))
    _submit(page, "sample")
    yield "labels", page
    _begin(page, "complete", "mnist-diagonal-bilstm-x4")
    page.locator("#view-complete [data-field=seed] input").first.fill(str(SEED))
    _submit(page, "complete")
    page.locator("#view-complete .original .caption", has_text="bits").wait_for()
    yield "complete", page
    _begin(page, "inspect", COLOUR_MODEL)
    page.locator("#view-inspect").get_by_label("Boat").check()
    page.locator("#view-inspect button.primary").click()
    page.locator("#view-inspect .belief").nth(2).wait_for()
    yield "inspect", page


def record(page: Any) -> None:
    """Every PIXELS_A_FRAME-th moment of the picture that the page draws, with what can still come from there."""
    page.set_default_timeout(LIMIT_MS)
    count = _watch(page, 0)
    page.evaluate("scrollTo(0, 0)")
    page.get_by_text("It could still become").wait_for()
    shots = []
    for written in [*range(0, count, PIXELS_A_FRAME), count]:
        _turn_to(page, written, is_last=written == count)
        shots.append(Image.open(io.BytesIO(page.screenshot(clip=SHOWN))).convert("RGB"))
    # one palette, so that nothing flickers, in which the few orange pixels have their place
    palette = shots[len(shots) // 3].quantize(96, Image.Quantize.MAXCOVERAGE, kmeans=2)
    frames = [
        shot.quantize(palette=palette, dither=Image.Dither.NONE) for shot in shots
    ]
    times = [FRAME_MS] * (len(frames) - 1) + [LAST_FRAME_MS]
    frames[0].save(
        OUT / "watch.gif",
        save_all=True,
        append_images=frames[1:],
        duration=times,
        loop=0,
        optimize=True,
    )
    typer.echo(OUT / "watch.gif")


def _turn_to(page: Any, written: int, *, is_last: bool) -> None:
    """The slider there, and the fog of exactly there, which is asked for unless it is known."""
    from playwright.sync_api import TimeoutError as KnownError

    script = "(node, written) => { node.value = written; node.dispatchEvent(new Event('input')); }"
    place = page.locator("#view-draw .place input")
    if is_last:
        place.evaluate(script, written)
        return
    with (
        contextlib.suppress(KnownError),
        page.expect_response(re.compile("grid=true"), timeout=FOG_LIMIT_MS),
    ):
        place.evaluate(script, written)
    page.wait_for_timeout(FOG_MS)


def _watch(page: Any, written: int) -> int:
    """The first view, stopped when so many pixels are written. Returns how many there are."""
    page.goto("/#watch")
    page.locator(
        "#view-draw[data-live=true] .next", has_text="Next, row"
    ).wait_for()  # and no film
    page.locator("#view-draw [data-act=play]").click()
    place = page.get_by_label("Pixel", exact=True)
    place.fill(str(written))
    return int(place.get_attribute("max"))


def _ink(page: Any) -> None:
    """A stroke at the bottom, when the paper is there, and the endings that keep it."""
    endings = page.locator("#view-draw .standing", has_text="Four endings")
    endings.wait_for()
    paper = page.locator("#view-draw canvas.paper")
    paper.scroll_into_view_if_needed()
    box = paper.bounding_box()
    places = [
        (box["x"] + across * box["width"], box["y"] + down * box["height"])
        for across, down in STROKE
    ]
    page.mouse.move(*places[0])
    page.mouse.down()
    for place in places[1:]:
        page.mouse.move(*place, steps=8)
    page.mouse.up()
    page.locator(
        "#view-draw .receipt", has_text=": "
    ).wait_for()  # the one before went with the first ink
    endings.wait_for()
    page.wait_for_timeout(2 * FOG_MS)


def _begin(page: Any, view: str, model: str = MODEL) -> None:
    page.goto(f"/#{view}")
    if view == "complete":
        page.locator(".drawer:visible > summary").click()
    page.locator(f".card:visible input[value={model}]").check()


def _submit(page: Any, view: str) -> None:
    section = page.locator(f"#view-{view}")
    section.locator("button.primary").click()
    section.locator(".standing").filter(has_text=re.compile("Done")).wait_for()


def _shot(page: Any) -> Image.Image:
    page.wait_for_timeout(400)
    page.evaluate("scrollTo(0, 0)")
    return Image.open(io.BytesIO(page.screenshot())).convert("RGB")


def _beside(shots: list[Image.Image]) -> Image.Image:
    width, height = PHONE["width"], PHONE["height"]
    sheet = Image.new(
        "RGB", (len(shots) * (width + PHONE_GAP) - PHONE_GAP, height), (128, 128, 128)
    )
    for place, shot in enumerate(shots):
        sheet.paste(shot, (place * (width + PHONE_GAP), 0))
    return sheet


def _save(shot: Image.Image, name: str) -> None:
    shot.save(OUT / name, lossless=True, quality=100, method=6)
    typer.echo(OUT / name)


if __name__ == "__main__":
    typer.run(main)
