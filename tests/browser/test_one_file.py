"""The page that is one file, as `pixelrnn export --one-file` writes it: opened from a disk, without any connection."""

import base64
import hashlib
import html
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from model_core import load_model, sample, save_model
from model_core.data.pixels import values_to_pixels
from tests.browser.axe import findings
from tests.browser.bare_server import DRAWN
from tests.browser.bundling import ROOT, needs_esbuild
from tests.browser.firefox import firefox_path, look
from tests.browser.site import LIMIT_MS
from tests.browser.tiles import tiles_model
from tests.portable.exporting import export, refused_export

pytestmark = needs_esbuild

MODELS = ("tiny-cnn", "tiles")
RECIPE = "#model=tiny-cnn&seed=77&n=3&temperature=1"
REDS = """document.querySelector("#view-sample .board[data-state=succeeded] .standing")?.textContent.includes(" 3 ") &&
  [...document.querySelectorAll("button.tile canvas")].map((canvas) =>
    [...canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data].filter((_, i) => i % 4 === 0))
    .join(" ")"""


@pytest.fixture(scope="module")
def models(models_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of black and white, and one with a palette."""
    directory = tmp_path_factory.mktemp("models")
    shutil.copytree(models_dir / "tiny-cnn", directory / "tiny-cnn")
    save_model(tiles_model(), directory / "tiles")
    return directory


@pytest.fixture(scope="module")
def file(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page with both models, in a folder whose name has to be quoted in an address."""
    page = tmp_path_factory.mktemp("one file") / "Für die Schule.html"
    done = export("--one-file", page, *MODELS, "--models-dir", models)
    assert done.returncode == 0, done.stderr
    return page


@contextmanager
def opened(browser: Any, file: Path, **options: Any) -> Iterator[tuple[Any, str]]:
    """Yield a page of an offline browser, and the file's address. Nothing may be complained of, or asked for."""
    context = browser.new_context(
        **{"viewport": {"width": 1366, "height": 768}} | options
    )
    context.set_default_timeout(LIMIT_MS)
    context.set_offline(True)
    page = context.new_page()
    complaints: list[str] = []
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text))
    url = file.as_uri()

    def see(request: Any) -> None:
        address = request.url.partition("#")[0]
        if address != url and not address.startswith(("data:", "blob:")):
            complaints.append(address)

    page.on("request", see)
    yield page, url
    context.close()
    assert complaints == []


def _expected(models: Path) -> list[bytes]:
    """Red of each pixel of the three images of the recipe."""
    drawn = sample(load_model("tiny-cnn", models_dir=models), 3, 77)
    return [each.tobytes() for each in values_to_pixels(drawn.numpy(), 2)[:, 0]]


def test_double_click_draws_the_bytes_of_python(
    browser: Any, file: Path, models: Path
) -> None:
    """A link that is a recipe draws in the file, and the same after a reload."""
    with opened(browser, file) as (page, url):
        page.goto(url + RECIPE)
        for _ in range(2):
            page.get_by_text("Done: 3 images").wait_for()
            drawn = page.evaluate(DRAWN)
            assert [bytes(each[::3]) for each in drawn] == _expected(models)
            page.reload()


@pytest.mark.parametrize(("locale", "width"), [("en-US", 1366), ("de-DE", 360)])
def test_every_room_lives(browser: Any, file: Path, locale: str, width: int) -> None:
    """Offline, without sideways scroll and violations of accessibility; what needs a service is not offered."""
    rooms = {
        "watch": ".could .futures canvas",
        "bet": "form",
        "ink": ".completions button.tile",
        "complete": ".paper",
        "inspect": ".belief",
        "sample": ".board button.tile",
    }
    size = {"width": width, "height": 800}
    with opened(browser, file, locale=locale, viewport=size) as (page, url):
        for place, selector in rooms.items():
            page.goto("about:blank")
            page.goto(f"{url}#{place}")
            page.locator(f"section.view:visible {selector}").first.wait_for()
            scrolled = page.evaluate("document.documentElement.scrollWidth")
            assert scrolled <= width, place
        site: Any = SimpleNamespace(page=page)
        assert findings(site) == []
        german = locale.startswith("de")
        where = "In deinem Browser" if german else "In your browser"
        assert page.locator("#fleet").inner_text() == where
        assert page.locator(".tabs a:visible").count() == 3
        assert page.locator("#late").count() == 0


def test_language_is_chosen_in_the_file(browser: Any, file: Path) -> None:
    """It is kept for the next time, and its texts stand in the file."""
    with opened(browser, file) as (page, url):
        page.goto(url)
        page.get_by_label("Language").select_option("de")
        page.get_by_role("link", name="Zeichnen").wait_for()


def test_hole_is_filled(browser: Any, file: Path) -> None:
    """A completion by the engine's worker, whose parts all stand in its script."""
    with opened(browser, file) as (page, url):
        page.goto(f"{url}#complete")
        page.locator("#view-complete:visible .example canvas").first.wait_for()
        page.get_by_role("button", name="Fill the hole").click()
        page.get_by_text("Done: 8 images").wait_for()


def test_policy_allows_this_code_alone(file: Path) -> None:
    """Hashes of the two scripts and of the style; no connection, no other origin."""
    text = file.read_text(encoding="utf-8")
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]+)"', text)
    assert found is not None
    policy = dict(
        rule.strip().split(" ", 1) for rule in html.unescape(found[1]).split(";")
    )
    assert policy["default-src"] == "'none'"
    assert "connect-src" not in policy
    assert policy["worker-src"] == "blob:"

    def hashes(pattern: str) -> set[str]:
        contents = re.findall(pattern, text, re.DOTALL)
        digests = (hashlib.sha256(content.encode()).digest() for content in contents)
        return {f"'sha256-{base64.b64encode(each).decode()}'" for each in digests}

    scripts = hashes(r'<script(?: type="module")?>(.*?)</script>')
    assert len(scripts) == 2
    assert set(policy["script-src"].split()) == scripts | {"'wasm-unsafe-eval'"}
    assert set(policy["style-src"].split()) == hashes(r"<style>(.*?)</style>")
    outside = re.sub(r"(?s)<(script|style)[^>]*>.*?</\1>", "", text)
    assert re.findall(r'(?:src|href)="(?!#|data:)([^"]+)"', outside) == ["docs"] * 3


def test_same_models_give_the_same_file(
    file: Path, models: Path, tmp_path: Path
) -> None:
    """Byte for byte, also over one that was exported before."""
    again = tmp_path / "again.html"
    shutil.copyfile(file, again)
    done = export("--one-file", again, *MODELS, "--models-dir", models)
    assert done.returncode == 0, done.stderr
    assert again.read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", ["other.html", "folder", "no/such.html"])
def test_nothing_else_is_overwritten(models: Path, tmp_path: Path, name: str) -> None:
    """Another file and a folder stay as they are; a folder that is missing is made."""
    target = tmp_path / name
    if name == "other.html":
        target.write_text("<!doctype html><p>mine")
    if name == "folder":
        target.mkdir()
    asked = "--one-file", target, "tiny-cnn", "--models-dir", models
    if name == "no/such.html":
        done = export(*asked)
        assert done.returncode == 0, done.stderr
        assert target.is_file()
        return
    assert "expected" in refused_export(*asked)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert target.is_dir() or target.read_text() == "<!doctype html><p>mine"


def test_models_must_be_named(tmp_path: Path) -> None:
    """All together would be tens of megabytes."""
    said = refused_export("--one-file", tmp_path / "page.html")
    assert "expected models after the file" in said
    assert list(tmp_path.iterdir()) == []


def test_checkout_without_node_says_what_to_install(
    models: Path, tmp_path: Path
) -> None:
    """In one sentence; nothing is written."""
    command = [sys.executable, "-m", "pixelrnn", "export", "--one-file"]
    done = subprocess.run(
        [*command, tmp_path / "page.html", "tiny-cnn", "--models-dir", models],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": str(tmp_path)},
    )
    assert done.returncode != 0
    assert "needs Node and npm ci --prefix tests/browser" in done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []


INSTALLED = """
import sys
from pathlib import Path
from model_core import shipped
shipped.PAGE, shipped.IS_INSTALLED = Path(sys.argv.pop(1)), True
from pixelrnn.cli import main
main()
"""
"""The command with the page of an installed copy, whose directory is its first word."""


def test_installed_copy_needs_no_node(models: Path, file: Path, tmp_path: Path) -> None:
    """A wheel that was built with Node has the bundle; of one that was not, a sentence says so."""
    bundle = tmp_path / "page"
    subprocess.run(
        ["node", ROOT / "deploy" / "release" / "bundle_page.mjs", bundle], check=True
    )
    written = tmp_path / "written.html"

    def exported() -> subprocess.CompletedProcess[str]:
        asked = ["export", "--one-file", written, *MODELS, "--models-dir", models]
        return subprocess.run(
            [sys.executable, "-c", INSTALLED, bundle, *asked],
            capture_output=True,
            text=True,
            env={**os.environ, "PATH": str(tmp_path)},
        )

    done = exported()
    assert done.returncode == 0, done.stderr
    assert written.read_bytes() == file.read_bytes()

    written.unlink()
    shutil.rmtree(bundle / "one-file")
    done = exported()
    assert done.returncode != 0
    assert "built without Node" in done.stderr
    assert not written.exists()


@pytest.mark.skipif(firefox_path() is None, reason="needs firefox-esr")
def test_firefox_draws_the_bytes_of_python(
    file: Path, models: Path, tmp_path: Path
) -> None:
    """From the disk, too."""
    url = file.as_uri() + RECIPE
    picture, reds = look(url, REDS, tmp_path, (900, 740), LIMIT_MS / 1000)
    assert picture.startswith(b"\x89PNG")
    drawn = [bytes(map(int, each.split(","))) for each in reds.split()]
    assert drawn == _expected(models)
