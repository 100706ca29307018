"""Take the pictures of the playground, and the recording of its first view, from a running service.

    python docs/tools/make_screenshots.py http://127.0.0.1:8000

docs/img/page-VIEW.webp: each view when there is something to see, on a laptop. page-phone.webp: all of them on a phone.
watch.gif: a picture that is drawn; what is seen there is what the page shows. Needs Debian's chromium.
"""

import contextlib
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image

OUT = Path("docs/img")
ORIGINS = {"Characters": "characters", "Digits": "mnist"}
"""Kind -> part of the names of models that draw it."""
LABELLED_MODEL = "mnist-labelled"
LAPTOP = {"width": 1366, "height": 768}
PHONE = {"width": 390, "height": 844}
QUALITY = 80
"""Of WebP: text stays sharp, and seven views have 300 kB."""
SEED = 2016
LIMIT_MS = 60_000
WRITTEN = 130
"""Pixels of the first picture when its picture is taken."""

STROKE = ((0.3, 0.8), (0.5, 0.85), (0.68, 0.75), (0.66, 0.65))
"""Places in parts of the paper's width and height: the lower bow of a 3, or of a 5."""

RECORDED = {"width": 1200, "height": 740}
SHOWN = {"x": 0, "y": 52, "width": 1200, "height": 688}
PIXELS_A_FRAME = 28
FRAME_MS, LAST_FRAME_MS = 240, 4000
FOG_MS, FOG_LIMIT_MS = 900, 5000
"""Until a new fog is seen as it is."""
PHONE_GAP = 24
IN_A_ROW = 4
"""Phones: as many as can be read in the width of a page."""


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
        for size in (LAPTOP, PHONE):
            page = browser.new_context(
                base_url=url,
                viewport=size,  # pyright: ignore
                has_touch=size is PHONE,
                is_mobile=size is PHONE,
            ).new_page()
            shots = {view: _shot(page) for view in worked_views(page)}
            if size is PHONE:
                _save(_beside(list(shots.values())), "page-phone.webp")
                continue
            for view, shot in shots.items():
                _save(shot, f"page-{view}.webp")
        record(browser.new_context(base_url=url, viewport=RECORDED).new_page())  # pyright: ignore
        browser.close()


def worked_views(page: Any) -> Iterator[str]:
    """The name of each view, when the page shows something to see in it."""
    page.set_default_timeout(LIMIT_MS)
    _watch(page, WRITTEN)
    page.get_by_text("It could still become").wait_for()
    page.wait_for_timeout(FOG_MS)
    yield "draw"
    page.goto("/#ink")
    _ink(page)
    yield "ink"
    page.goto("/#real")
    page.locator(".glyph").nth(11).wait_for()
    for place in range(0, 12, 2):
        page.locator(".glyph input").nth(place).check()
    page.get_by_role("button", name="Turn them over").click()
    page.get_by_text("On average the real ones").wait_for()
    yield "real"
    page.goto("/#bet")
    page.get_by_role("button", name="That is my guess").click()
    yield "bet"
    page.goto("/#inspect")
    page.locator("#view-inspect .belief").first.wait_for()
    yield "inspect"
    page.goto("/#teach")
    page.locator("#view-teach .empty img").wait_for()
    yield "teach"
    _begin(page, "sample", LABELLED_MODEL)
    page.locator("#view-sample .labels").get_by_label("One of each").check()
    page.locator("#view-sample [data-field=seed] input").first.fill(str(SEED))
    _submit(page, "sample")
    yield "sample"
    page.goto("/#complete")
    page.locator("#view-complete .pad:not([inert])").wait_for()
    _submit(page, "complete")
    yield "complete"


def record(page: Any) -> None:
    """Every PIXELS_A_FRAME-th moment of the picture that the page draws, with what can still come from there."""
    page.set_default_timeout(LIMIT_MS)
    count = _watch(page, 0, "Digits")
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


def _watch(page: Any, written: int, kind: str = "Characters") -> int:
    """The first view, stopped when so many pixels are written. Returns how many there are."""
    page.goto("/#watch")
    page.locator(
        "#view-draw[data-live=true] .next", has_text="Next, row"
    ).wait_for()  # and no film
    page.locator(".kinds label", has_text=kind).click()
    page.locator(f"#view-draw .origin[title*={ORIGINS[kind]}]").wait_for()
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


def _begin(page: Any, view: str, model: str) -> None:
    page.goto(f"/#{view}")
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
    """Return the shots in rows of IN_A_ROW."""
    width, height = PHONE["width"] + PHONE_GAP, PHONE["height"] + PHONE_GAP
    rows = math.ceil(len(shots) / IN_A_ROW)
    size = (IN_A_ROW * width - PHONE_GAP, rows * height - PHONE_GAP)
    sheet = Image.new("RGB", size, (128, 128, 128))
    for at, shot in enumerate(shots):
        row, column = divmod(at, IN_A_ROW)
        sheet.paste(shot, (column * width, row * height))
    return sheet


def _save(shot: Image.Image, name: str) -> None:
    shot.save(OUT / name, quality=QUALITY, method=6)
    typer.echo(OUT / name)


if __name__ == "__main__":
    typer.run(main)
