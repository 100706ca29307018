"""The page as few files, as wheels, images and folders have it. `make weekly` runs all tests of this folder over it."""

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.routes import page_files
from model_core import shipped
from model_core.portable import folder
from tests.app.live import process_serving
from tests.browser.bundling import ROOT, needs_esbuild
from tests.browser.by_hand import Stack
from tests.browser.site import Site
from tests.browser.views import KINDS, VIEWS, cards

MOST_WITH_HEADERS = 60_000
"""Bytes of code and style of the first view on the wire, with headers."""
MOST_MODULES = 4
"""Files of the first view's code."""

pytestmark = needs_esbuild


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("bundle") / "page"
    subprocess.run(
        ["node", ROOT / "deploy" / "release" / "bundle_page.mjs", out], check=True
    )
    return out


@pytest.fixture
def stack(
    redis_url: str, bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Stack]:
    """An API that serves the bundle, and a worker that is moved by hand."""
    monkeypatch.setenv("PIXELRNN_PAGE_DIR", str(bundle))
    with process_serving(redis_url) as (_, url):
        stack = Stack(url, redis_url)
        stack.worker.announce(*cards())
        yield stack
        stack.worker.redis.close()


def test_first_view_is_few_small_files(stack: Stack) -> None:
    """Code and style are counted as they are sent, compressed and with their headers."""
    packed = {"Accept-Encoding": "gzip"}
    page = httpx.get(f"{stack.url}/", headers=packed)
    named = set(re.findall(r'(?:src|href)="(playground/[^"]+\.(?:js|css))"', page.text))
    sent = 0
    for address in ("/", *(f"/{name}" for name in sorted(named))):
        with httpx.stream("GET", stack.url + address, headers=packed) as answer:
            sent += sum(len(part) for part in answer.iter_raw())
            sent += sum(
                len(name) + len(value) + 4 for name, value in answer.headers.raw
            )
    assert sent < MOST_WITH_HEADERS
    modules = [address for address in named if "/js/" in address]
    assert len(modules) <= MOST_MODULES


@pytest.mark.parametrize("locale", ["en-US", "de-DE"])
def test_every_view_opens(browser: Any, stack: Stack, locale: str) -> None:
    """Its code comes, its pictures do, and nothing is complained of."""
    context = browser.new_context(base_url=stack.url, locale=locale)
    site = Site(context, stack)  # pyright: ignore[reportArgumentType]
    missing: list[str] = []
    site.page.on(
        "response",
        lambda answer: missing.append(answer.url) if answer.status == 404 else None,
    )
    for view in VIEWS:
        site.page.goto(f"/#{view}")
        site.page.locator("#fleet[data-state=ready]").wait_for()
        site.page.locator("section.view:visible:not(.pending)").wait_for()
        assert not site.page.locator("#notice").is_visible(), view
    site.page.goto("/#complete")
    site.view.locator(".card").nth(len(KINDS) - 1).wait_for(state="attached")
    site.view.locator(".example canvas").first.wait_for()
    german = site.page.locator(".tabs a", has_text="Zeichnen").count()
    assert german == (locale == "de-DE")
    assert missing == []
    assert site.complaints == []
    context.close()


def test_bundle_of_other_modules_is_not_served(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A checkout sends its modules one by one until `make` has bundled them as they are now."""
    sources = tmp_path / "app" / "playground"
    shutil.copytree(ROOT / "app" / "playground", sources)
    shutil.copytree(bundle, tmp_path / "build" / "page")
    monkeypatch.setattr(page_files, "_ROOT", sources)
    assert "css/page.css" in page_files.release.__wrapped__().files
    with (sources / "js" / "main.js").open("a") as module:
        module.write("\n")
    assert "css/page.css" not in page_files.release.__wrapped__().files


def test_folder_takes_the_bundle(
    bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An installed copy exports the page that it has: each file that is named is there."""
    monkeypatch.setattr(shipped, "PAGE", bundle)
    folder._write_page({"characters"}, tmp_path)  # pyright: ignore[reportPrivateUsage]
    page = (tmp_path / "index.html").read_text(encoding="utf-8")
    named = re.findall(r'(?:src|href)="(playground/[^"]+)"', page)
    assert len(named) > MOST_MODULES / 2
    assert all((tmp_path / name).is_file() for name in named)
    assert 'data-folder="models/"' in page
    assert "Content-Security-Policy" in page


def test_image_bundles_the_page_from_the_files_it_copies(tmp_path: Path) -> None:
    """The Dockerfile names each folder that the page imports from. Only Docker would
    notice a missing one, and most machines that run the tests have no Docker."""
    lines = (ROOT / "docker" / "api.Dockerfile").read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.endswith("AS page"))
    last = next(i for i in range(first, len(lines)) if lines[i].startswith("RUN node"))
    for line in lines[first:last]:
        if not line.startswith("COPY"):
            continue
        *sources, target = line.split()[1:]
        for source in sources:
            name = target + Path(source).name if target.endswith("/") else target
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            _copy(ROOT / source, tmp_path / name)
    packages = tmp_path / "tests" / "browser" / "node_modules"
    packages.symlink_to(ROOT / "tests" / "browser" / "node_modules")
    words = lines[last].split()[1:]
    subprocess.run(words, cwd=tmp_path, check=True)
    assert (tmp_path / words[-1] / "index.html").is_file()


def _copy(source: Path, target: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, target)
    else:
        shutil.copy(source, target)
