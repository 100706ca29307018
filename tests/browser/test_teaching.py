"""Teach: a model of somebody's own pictures, from the drop to what it draws. The trainer is a real one."""

import random
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from model_core import load_model
from tests.browser.axe import findings
from tests.browser.by_hand import moved_by_hand
from tests.browser.site import Site
from tests.house.processes import eventually
from tests.house.running import ForkedUp, Up

pytestmark = pytest.mark.timeout(1800)
LONG_MS = 900_000
"""Until a network is compiled, or a round has been trained. A training has the lowest
priority: beside other tests it gets next to no CPU."""
COUNT, SIDE = 1000, 20
"""Of fewer or smaller pictures it has learned enough before anybody can press Finish."""


@pytest.fixture(scope="module")
def service(
    browser: Any, models_dir: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Up]:
    """Its own: other tests know which models there are."""
    with ForkedUp(tmp_path_factory.mktemp("data"), models_dir) as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Squares of many sizes, and a file that is no picture."""
    folder, chance = tmp_path / "Kästchen", random.Random(1)
    folder.mkdir()
    for i in range(COUNT):
        picture = Image.new("L", (SIDE, SIDE))
        picture.paste(255, (0, 0, *(chance.randrange(1, SIDE) for _ in range(2))))
        picture.save(folder / f"{i}.png")
    (folder / "broken.png").write_bytes(b"no picture")
    return folder


def test_folder_becomes_a_model_that_draws(
    site: Site, folder: Path, tmp_path: Path
) -> None:
    """What was understood is said; a reload and a second browser find the training; finished early, its model is taken
    home as one file, and draws on the pad."""
    site.page.set_default_timeout(LONG_MS)
    site.open("teach")
    site.view.get_by_text("The pictures are deleted after the training.").wait_for()
    site.view.locator("input[webkitdirectory]").set_input_files(folder)
    site.view.get_by_text("1,001 files").wait_for()
    site.fill("name", "squares")
    site.submit()
    site.view.get_by_text(
        "squares: 1,000 pictures, 20 × 20; 1 could not be read"
    ).wait_for()
    site.wait_for_standing("Learning: ")
    site.page.goto("about:blank")
    site.open("teach")
    site.view.locator(".training-board img").wait_for()
    site.page.reload()
    with site.elsewhere("/#teach") as other:
        other.page.set_default_timeout(LONG_MS)
        other.view.locator(".training-board img").wait_for()
        assert (
            other.view.locator(".training-board [lang=en]")
            .inner_text()
            .startswith(f"{COUNT} pictures in black and white")
        )
        assert other.job_id == site.job_id
        assert "Then it is your turn." in other.view.locator(".standing").inner_text()
        assert not other.view.get_by_role("button", name="Finish now").is_visible()
        assert not other.view.get_by_role("button", name="Cancel").is_visible()
    site.view.locator(".training-board img").wait_for()
    assert "that it was not shown: 0." in site.view.locator("figure").inner_text()
    assert findings(site) == []
    site.view.get_by_role("button", name="Finish now").click()
    site.view.get_by_text("it was asked to finish").wait_for()
    with site.page.expect_download() as download:
        site.view.get_by_role("button", name="Take it home").click()
    download.value.save_as(tmp_path / "squares.zip")
    site.view.get_by_text("“pixelrnn sample ./squares” draws with it.").wait_for()
    with zipfile.ZipFile(tmp_path / "squares.zip") as archive:
        archive.extractall(tmp_path)
    assert load_model(tmp_path / "squares").card.name == "squares"

    site.view.get_by_role("button", name="Draw with it").click()
    site.page.locator("#view-draw:visible canvas.paper").wait_for()
    site.wait_for_standing("Four endings")
    assert len(site.pixels(3)) == SIDE * SIDE
    assert set(site.pixels(3)) <= {0, 255}


def test_canceled_training_leaves_nothing(site: Site) -> None:
    """The set that comes with the page is taken by a press, and a cancel asks whether that is meant."""
    site.open("teach")
    site.view.get_by_role("button", name="Take 200 emoji").click()
    site.view.get_by_text("“emoji.zip”, 0.089 MB").wait_for()
    site.submit()
    site.view.get_by_text("my-emoji: 200 pictures, 16 colours, 24 × 24").wait_for(
        timeout=LONG_MS
    )
    site.page.once("dialog", lambda dialog: dialog.accept())
    site.view.get_by_role("button", name="Cancel").click()
    site.wait_for_standing("Canceled")
    assert "my-emoji" not in [
        model["name"] for model in site.service.get("/models")["models"]
    ]


def test_lines_train_what_the_form_trains(
    site: Site, folder: Path, tmp_path: Path
) -> None:
    """In each language a training begins with the form's name and minutes, from pictures.zip; it is canceled here."""
    with zipfile.ZipFile(tmp_path / "pictures.zip", "w") as archive:
        for path in sorted(folder.glob("1*.png")):
            archive.write(path, path.name)
    site.open("teach")
    site.fill("name", "mine")
    site.fill("minutes", "2.5")
    fold = site.view.locator(".form-code")
    fold.locator("summary").click()
    fold.get_by_text("Put your pictures into pictures.zip.").wait_for()
    programs = {
        "curl": ["bash", "-ec"],
        "python": [sys.executable, "-c"],
        "javascript": [shutil.which("node") or "node", "--input-type=module", "--eval"],
    }
    for language, program in programs.items():
        lines = fold.locator(f"[data-code={language}]").inner_text()
        with subprocess.Popen([*program, lines], cwd=tmp_path) as running:
            assert eventually(lambda: _open_training(site) is not None), language
            job = _open_training(site)
            assert (job["model"], job["minutes"]) == ("mine", 2.5), language
            site.page.request.post(f"/jobs/{job['id']}/cancel")
            running.wait(60)
        assert eventually(lambda: _open_training(site) is None)


def _open_training(site: Site) -> Any:
    """The training that goes on; None if there is none."""
    jobs = site.service.get("/jobs?kind=train")["jobs"]
    return next((job for job in jobs if not job["finished_at"]), None)


def test_what_is_wrong_is_said_beside_it(site: Site, tmp_path: Path) -> None:
    """No pictures, or a zip without any: nothing is begun."""
    site.open("teach")
    site.submit()
    assert site.trouble("image") == "Choose pictures first."
    with zipfile.ZipFile(tmp_path / "notes.zip", "w") as archive:
        archive.writestr("notes.txt", "none")
    site.drop("#view-teach h1", tmp_path / "notes.zip", "application/zip")
    site.submit()
    assert "can be read as a picture (notes.txt)" in site.trouble("image")
    assert "/" not in site.page.url.split("#")[1]


def test_where_nothing_is_trained_it_is_said(browser: Any, redis_url: str) -> None:
    """And how that is switched on; there is no form."""
    with moved_by_hand(browser, redis_url) as site:
        site.open("teach")
        site.view.get_by_text("PIXELRNN_TRAINING=1").wait_for()
        assert not site.view.get_by_role("button", name="Train").is_visible()
        assert not site.view.locator(".form-code").is_visible()
