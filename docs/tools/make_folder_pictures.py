"""Take pictures of an exported folder, on Python's own web server, in Debian's Chromium and Firefox.

    python docs/tools/make_folder_pictures.py

docs/img/folder-chromium.png and folder-firefox.png, of a page that has drawn one digit of each label: what each drew is
compared with what `model_core.sample` draws. Firefox is asked by WebDriver BiDi.
"""

import io
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from PIL import Image

from model_core import load_model, sample
from tests.browser.firefox import look

OUT = Path("docs/img")
MODEL, SEED = "mnist-labelled", 2016
WIDE, HIGH, COLOURS = 900, 740, 64
DRAWN = """document.querySelector("#view-sample .board[data-state=succeeded]") &&
  [...document.querySelectorAll("#view-sample .tile canvas")].map((canvas) =>
    [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data]
      .flatMap((byte, i) => (i % 4 ? [] : [byte > 127 ? "01" : "00"])).join("")).join(" ")"""
LIMIT_MS = 120_000

Shot = tuple[bytes, str]
"""A PNG of the page, and what was drawn in it: the bytes of each picture, in hexadecimal."""


def main() -> None:
    labels = [label.name for label in load_model(MODEL).card.labels]
    expected = [
        image.numpy().astype("u1").tobytes()
        for image in sample(load_model(MODEL), len(labels), SEED, label=labels)
    ]
    link = f"#sample?model={MODEL}&seed={SEED}&n={len(labels)}&temperature=1" + "".join(
        f"&label={name}" for name in labels
    )
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        subprocess.run(
            [sys.executable, "-m", "pixelrnn", "export", f"{place}/site", MODEL],
            check=True,
        )
        with served(f"{place}/site") as url:
            for name, taken in (("chromium", in_chromium), ("firefox", in_firefox)):
                picture, drawn = taken(f"{url}/{link}", place)
                same = [bytes.fromhex(each) for each in drawn.split()] == expected
                _save(picture, OUT / f"folder-{name}.png")
                print(
                    f"{name}: {len(labels)} pictures, {'the bytes' if same else 'NOT the bytes'} of pixelrnn sample"
                )


@contextmanager
def served(folder: str) -> Iterator[str]:
    """The address of `python -m http.server` in a folder."""
    command = [
        sys.executable,
        "-u",
        "-m",
        "http.server",
        "0",
        "--bind",
        "127.0.0.1",
        "--directory",
        folder,
    ]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as server:
        assert server.stdout is not None
        told = re.search(r"port (\d+)", server.stdout.readline())
        assert told is not None
        yield f"http://127.0.0.1:{told[1]}"
        server.terminate()


def in_chromium(url: str, place: str) -> Shot:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox"]
        )
        page = browser.new_page(viewport={"width": WIDE, "height": HIGH})
        page.goto(url, timeout=LIMIT_MS)
        drawn = page.wait_for_function(f"() => {DRAWN}", timeout=LIMIT_MS).json_value()
        return page.screenshot(), drawn


def in_firefox(url: str, place: str) -> Shot:
    return look(url, DRAWN, Path(place), (WIDE, HIGH), LIMIT_MS / 1000)


def _save(png: bytes, path: Path) -> None:
    Image.open(io.BytesIO(png)).convert("RGB").quantize(COLOURS).save(
        path, optimize=True
    )


if __name__ == "__main__":
    main()
