"""What docs/api.md and the pages of use beside it show works as it stands."""

import base64
import os
import re
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.house.running import ForkedUp

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
COMPLETION = (ROOT / "docs" / "completion.md").read_text(encoding="utf-8")
OTHERS = "".join(
    (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    for name in ("more", "codec", "labels")
)


def blocks_of(page: str) -> list[tuple[str, str]]:
    """Return (language, text) of each code block that can be pasted."""
    return re.findall(r"```(sh|python|js)\n(.*?)```", page, flags=re.DOTALL)


BLOCKS = blocks_of(PAGE)
SECRET = f"whsec_{base64.b64encode(bytes(32)).decode()}"
MODELS = (
    "mnist-diagonal-bilstm",
    "cifar10-small-multi-scale",
    "mnist-labelled",
    "cifar10-small-pixelcnn",
)
PROGRAMS = {
    "python": "python -",
    "js": "node --experimental-eventsource --input-type=module -",
}


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """With the shipped weights that the pages name, and no others."""
    models = tmp_path_factory.mktemp("models")
    for name in MODELS:
        (models / name).symlink_to(ROOT / "models" / name)
    settings = {
        "PIXELRNN_LINK_SECRET": 32 * "s",
        "PIXELRNN_WEBHOOK_HOSTS": "hooks.example",
        "PIXELRNN_WEBHOOK_SECRET": SECRET,
    }
    running = ForkedUp(tmp_path_factory.mktemp("data"), models, **settings)
    running.wait_until_ready()
    yield running.url
    running.stop()


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(
    shutil.which("node") is None, reason="needs Node for the page's JavaScript"
)
def test_every_block_works_when_pasted(service: str, tmp_path: Path) -> None:
    """In order, in one shell, each language by its own program; and what they leave is what the page says."""
    ended = run_when_pasted(BLOCKS, service, tmp_path)
    for name, kind, size in (
        ("four.png", "PNG", (228, 228)),
        ("fourth.png", "PNG", (224, 224)),
        ("sixteen.webp", "WEBP", (115, 115)),
        ("large.png", "PNG", (32, 32)),
        ("bits.png", "PNG", (224, 224)),
        ("both.png", "PNG", (57, 28)),
        ("shown.png", "PNG", (224, 224)),
    ):
        with Image.open(tmp_path / name) as picture:
            assert (picture.format, picture.size) == (kind, size), name
    with (
        Image.open(tmp_path / "both.png") as both,
        Image.open(ROOT / "docs" / "img" / "digit.png") as digit,
    ):
        assert both.crop((29, 0, 57, 28)).tobytes() == digit.convert("L").tobytes()
    assert (tmp_path / "digits.pxrn").read_bytes().startswith(b"PXRN")
    assert len(zipfile.ZipFile(tmp_path / "sixteen.zip").namelist()) == 16
    assert re.search(r"likeliest: /jobs/\S+ exact: (true|false)", ended.stdout)
    assert [
        int(y) for y in re.findall(r"^row (\d+)$", ended.stdout, flags=re.MULTILINE)
    ] == list(range(28))
    assert re.findall(r"^(?:snapshot|done)$", ended.stdout, flags=re.MULTILINE) == [
        "done",
        "snapshot",
        "done",
    ]
    assert re.findall(r"^0 (\d+) 28$", ended.stdout, flags=re.MULTILINE) == [
        str(y) for y in range(28)
    ]
    assert '"pointer":"#/n"' in ended.stdout
    assert (
        "404 urn:pixelrnn:problem:unknown-model model: expected one of:" in ended.stdout
    )
    assert re.search(r"^alice:[0-9a-f]{64}$", ended.stdout, flags=re.MULTILINE)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_every_block_of_other_pages_works_when_pasted(
    service: str, tmp_path: Path
) -> None:
    """The same of the other pages, with a photograph, and a small model for it."""
    Image.effect_noise((96, 64), 50).convert("RGB").save(tmp_path / "photo.png")
    mask = Image.new("L", (96, 64))
    mask.paste(255, (40, 20, 48, 26))
    mask.save(tmp_path / "mask.png")
    small = COMPLETION.replace("cifar10-row-lstm-deep", "cifar10-small-pixelcnn")
    ended = run_when_pasted(blocks_of(small + OTHERS), service, tmp_path)
    sizes = {
        "filled.png": (28, 28),
        "four.png": (228, 228),
        "first.png": (28, 28),
        "whole.png": (96, 64),
        "field.png": (96, 48),
        "four-two.png": (228, 112),
    }
    for name, size in sizes.items():
        with Image.open(tmp_path / name) as picture:
            assert picture.size == size, name
    assert ended.stdout.count("exact\n") >= 2
    assert '"verified":true' in ended.stdout.replace(" ", "")
    # docs/img/shares.png shows these shares.
    assert re.findall(r"^(\d) +0\.(\d\d)", ended.stdout, flags=re.MULTILINE)[:4] == [
        ("0", "37"),
        ("9", "32"),
        ("8", "17"),
        ("2", "08"),
    ]


def run_when_pasted(
    blocks: list[tuple[str, str]], service: str, folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run all blocks in order, in one shell, in a folder that has the page's files."""
    (folder / "docs").symlink_to(ROOT / "docs")
    script = "".join(pasted(*block) for block in blocks).replace(
        "http://127.0.0.1:8000", service
    )
    settings = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
    }
    shell = ["bash", "-euo", "pipefail", "-c", script]
    ended = subprocess.run(
        shell, cwd=folder, env=settings, capture_output=True, text=True, timeout=600
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended


def pasted(language: str, block: str) -> str:
    """A block as it goes into the shell; other languages into their programs."""
    return block if language == "sh" else f"{PROGRAMS[language]} <<'END'\n{block}END\n"


def test_signature_is_looked_at_as_the_page_says() -> None:
    """It takes what the service signs now, and nothing that was changed, or is old."""
    from app.webhooks.signatures import key_of, signature_headers

    (block,) = [
        text
        for language, text in BLOCKS
        if language == "python" and "def is_theirs" in text
    ]
    page: dict[str, Any] = {}
    exec(block, page)
    now, body = int(time.time()), b'{"id": "job"}'
    for at, received, good in (
        (now, body, True),
        (now, body + b" ", False),
        (now - 600, body, False),
    ):
        headers = {
            name.lower(): value
            for name, value in signature_headers(
                key_of(SECRET), "job", at, body
            ).items()
        }
        assert page["is_theirs"](SECRET, headers, received) is good


def test_readme_leads_here() -> None:
    assert "docs/api.md" in (ROOT / "README.md").read_text(encoding="utf-8")


def test_every_status_is_told() -> None:
    """Each that a call may answer with when it refuses."""
    from app.errors import RefusedError

    told = {int(status) for status in re.findall(r"\b([45]\d\d)\b", PAGE)}
    assert {refusal.problem.status for refusal in RefusedError.__subclasses__()} <= told
