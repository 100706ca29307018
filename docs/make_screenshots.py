"""Take the pictures of the playground, and make the animation of rows arriving, from a running service.

    python docs/make_screenshots.py http://127.0.0.1:8000

docs/img/page-VIEW-light.webp and -dark.webp: each view after its work is done, on a wide screen; page-phone.webp: the
first on a small one. docs/img/rows.gif: images in the order in which their rows came. Needs Debian's chromium.
"""

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from PIL import Image, ImageDraw

OUT = Path("docs/img")
MODEL = "mnist-diagonal-bilstm"
COLOUR_MODEL = "cifar10-small-row-lstm"
WIDE = {"width": 1280, "height": 1000}
PHONE = {"width": 390, "height": 844}
SEED = 2016
LIMIT_MS = 60_000

IMAGES, COLUMNS, SIDE, SCALE, GAP = 10, 5, 28, 4, 8
GROUND, EMPTY, MARKER = (251, 250, 248), (232, 229, 222), (79, 124, 255)
ROWS_A_FRAME = 10
FRAME_MS, LAST_FRAME_MS = 60, 2500


def main(
    url: Annotated[str, typer.Argument(help="Of a running service that has the shipped models.")],
    chromium: Annotated[str, typer.Option(help="The browser.")] = "/usr/bin/chromium",
) -> None:
    """All pictures; takes a minute."""
    from playwright.sync_api import sync_playwright

    OUT.mkdir(parents=True, exist_ok=True)
    animation(url)
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            context = browser.new_context(base_url=url, viewport=WIDE, color_scheme=scheme)  # pyright: ignore
            for view, page in worked_views(context.new_page()):
                page.evaluate("scrollTo(0, 0)")
                _shoot(page, f"page-{view}-{scheme}.webp")
        context = browser.new_context(base_url=url, viewport=PHONE, device_scale_factor=2)  # pyright: ignore
        page = context.new_page()
        _sample(page)
        page.locator("#view-sample .board").evaluate("board => board.scrollIntoView()")
        _shoot(page, "page-phone.webp")
        browser.close()


def worked_views(page: Any) -> Iterator[tuple[str, Any]]:
    """The page in each view, when there is something to see."""
    page.set_default_timeout(LIMIT_MS)
    _sample(page)
    yield "sample", page
    page.locator("#view-sample button.tile").nth(4).click()
    page.get_by_role("dialog").get_by_text("bits/dim").wait_for()
    yield "image", page
    page.keyboard.press("Escape")
    _begin(page, "complete")
    page.locator("#view-complete").get_by_label("Digit 8").check()
    _submit(page, "complete")
    page.locator("#view-complete .caption", has_text="Likeliest").wait_for()
    yield "complete", page
    page.goto("/#upsample")
    _submit(page, "upsample")
    yield "upsample", page
    _begin(page, "inspect", COLOUR_MODEL)
    page.locator("#view-inspect").get_by_label("Boat").check()
    page.locator("#view-inspect button.primary").click()
    page.locator("#view-inspect .belief").nth(2).wait_for()
    yield "inspect", page
    page.goto("/#history")
    page.locator("#view-history li img").first.wait_for()
    yield "history", page


def _sample(page: Any) -> None:
    _begin(page, "sample")
    page.locator("#view-sample [data-field=seed] input").fill(str(SEED))
    _submit(page, "sample")


def _begin(page: Any, view: str, model: str = MODEL) -> None:
    page.goto(f"/#{view}")
    page.locator(f"#view-{view} input[value={model}]").check()


def _submit(page: Any, view: str) -> None:
    page.locator(f"#view-{view} button.primary").click()
    page.locator(f"#view-{view} .standing").filter(has_text=re.compile("Done")).wait_for()


def _shoot(page: Any, name: str) -> None:
    page.wait_for_timeout(400)
    shot = page.screenshot()
    Image.open(io.BytesIO(shot)).convert("RGB").save(OUT / name, lossless=True, quality=100, method=6)
    typer.echo(OUT / name)


def animation(url: str) -> None:
    """Real rows in the order in which they came, ROWS_A_FRAME more in each picture."""
    from pixelrnn.client import Client

    sheet = Image.new("RGB", (_left(COLUMNS), _left(-(-IMAGES // COLUMNS))), GROUND)
    pen = ImageDraw.Draw(sheet)
    for sample in range(IMAGES):
        _square(pen, sample, 0, SIDE, EMPTY)
    frames = [sheet.copy()]
    with Client(url) as client:
        for count, row in enumerate(client.sample(MODEL, n=IMAGES, seed=SEED).rows(), start=1):
            for x, value in enumerate(row.pixels):
                _cell(pen, row.sample, x, row.y, (value,) * 3)
            if row.y + 1 < SIDE:
                _square(pen, row.sample, row.y + 1, row.y + 2, MARKER)
            if count % ROWS_A_FRAME == 0:
                frames.append(sheet.copy())
    small = [frame.quantize(8, dither=Image.Dither.NONE) for frame in frames]
    times = [FRAME_MS] * (len(small) - 1) + [LAST_FRAME_MS]
    small[0].save(OUT / "rows.gif", save_all=True, append_images=small[1:], duration=times, loop=0, optimize=True)
    typer.echo(OUT / "rows.gif")


def _left(column: int) -> int:
    return GAP + column * (SIDE * SCALE + GAP)


def _square(pen: ImageDraw.ImageDraw, sample: int, top: int, bottom: int, colour: tuple[int, int, int]) -> None:
    """Rows top to bottom - 1 of a sample, in one colour."""
    x, y = _left(sample % COLUMNS), _left(sample // COLUMNS)
    pen.rectangle((x, y + top * SCALE, x + SIDE * SCALE - 1, y + bottom * SCALE - 1), colour)


def _cell(pen: ImageDraw.ImageDraw, sample: int, column: int, row: int, colour: tuple[int, ...]) -> None:
    x, y = _left(sample % COLUMNS) + column * SCALE, _left(sample // COLUMNS) + row * SCALE
    pen.rectangle((x, y, x + SCALE - 1, y + SCALE - 1), colour)


if __name__ == "__main__":
    typer.run(main)
