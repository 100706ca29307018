"""What README.md and docs/tour.md tell people to type works; what other pages do is what the program takes."""

import hashlib
import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import typer.main
from PIL import Image

from model_core import load_model, sample
from pixelrnn.up import is_ready
from tests.data.serving import serving
from tests.house.packages import build, make_environment, site_packages, usual
from tests.house.processes import eventually
from tests.house.running import PORT, READY_LIMIT_S, Up

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
TOUR = (ROOT / "docs" / "tour.md").read_text(encoding="utf-8")


def fenced(language: str, page: str = README) -> list[str]:
    """Lines of a page's code blocks in one language."""
    blocks = re.findall(rf"```{language}\n(.*?)```", page, flags=re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


PROSE = ("data", "internals/posterior", "models")
PAGES = [(ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in PROSE]
COMMANDS = [
    line for page in PAGES for line in fenced("sh", page) if line.startswith("pixelrnn")
]
START = "make run"
ASKED = "mnist-diagonal-bilstm"


@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_every_line_works_when_pasted(tmp_path: Path) -> None:
    """Every block of both pages in order, in one shell, in a folder that has only what is published: `make run` in one
    terminal, the rest in another. The packages are there already, the data set is a small one, the port is free, and of
    the models that one is served which they ask."""
    build("sdist", ROOT, tmp_path / "sdist")
    subprocess.run(
        ["tar", "-xzf", *(tmp_path / "sdist").iterdir(), "-C", tmp_path], check=True
    )
    (folder,) = tmp_path.glob("pixelrnn-*")
    make_environment(folder / ".venv", site_packages())
    start, *blocks = re.findall(
        r"```(sh|python)\n(.*?)```", README + TOUR, flags=re.DOTALL
    )
    assert start[1].split("#")[0].strip() == START
    with small_digits(tmp_path / "site") as sources:
        here_already = {
            "PIP_NO_INDEX": "1",
            "PIP_NO_BUILD_ISOLATION": "0",
        }  # pip's word for: none
        settings = (
            usual()
            | here_already
            | {"PIXELRNN_DATA_SOURCES": str(sources), "PIXELRNN_MODELS": ASKED}
        )
        up = Up.by([*START.split(), f"PORT={PORT}"], folder, settings)
        try:
            assert eventually(
                lambda: is_ready(up.url) or up.process.poll() is not None, READY_LIMIT_S
            )
            assert up.process.poll() is None, up.output()
            script = "".join(pasted(*block) for block in blocks).replace(
                "8000", str(up.port)
            )
            shell = ["bash", "-euxo", "pipefail", "-c", script]
            ended = subprocess.run(
                shell,
                cwd=folder,
                env=settings,
                capture_output=True,
                text=True,
                timeout=900,
            )
            assert ended.returncode == 0, ended.stdout + ended.stderr
        finally:
            up.stop()
    assert "event: done" in ended.stdout
    for name in (
        "digits.png",
        "drawn.png",
        "completed.png",
        "filled.png",
        "bits.png",
        "seven.png",
        "four.png",
        "mine.png",
    ):
        with Image.open(folder / name) as picture:
            assert picture.width >= 28, name


def pasted(language: str, block: str) -> str:
    """A block as it goes into the shell; Python's into `python`."""
    if language == "python":
        return f"python - <<'END'\n{block}END\n"
    return block


@contextmanager
def small_digits(site: Path) -> Iterator[Path]:
    """A list of data sets whose binarized MNIST is 24 images that the shipped model drew, served on this machine."""
    site.mkdir()
    images = sample(load_model("mnist-pixelcnn"), n=24, seed=1).numpy().reshape(24, -1)
    listed = '[binarized-mnist]\ntitle = "digits"\npage = "http://127.0.0.1"\nlicence = "none"\n'
    with serving(site) as url:
        for split, part in (
            ("train", images[:16]),
            ("valid", images[16:20]),
            ("test", images[20:]),
        ):
            data = "".join(" ".join(map(str, image)) + "\n" for image in part).encode()
            (site / f"binarized_mnist_{split}.amat").write_bytes(data)
            listed += f'[[binarized-mnist.files]]\nurls = ["{url}/binarized_mnist_{split}.amat"]\n'
            listed += (
                f'bytes = {len(data)}\nsha256 = "{hashlib.sha256(data).hexdigest()}"\n'
            )
        (site / "sources.toml").write_text(listed)
        yield site / "sources.toml"


def test_command_is_understood(subtests: pytest.Subtests) -> None:
    """Every `pixelrnn` line parses: the verb, its arguments and its options exist."""
    for line in COMMANDS:
        with subtests.test(line=line):
            from pixelrnn.verbs import root

            _, verb, *arguments = shlex.split(line)
            command = typer.main.get_command(root).commands[verb]  # pyright: ignore
            command.make_context(verb, arguments)


def test_the_tree_in_contributing_names_what_exists() -> None:
    """Every file and folder of the annotated tree, so that a move cannot leave it behind."""
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    tree = text.split("## Where is ...")[1].split("```")[1]
    named, parent = [], ""
    for line in tree.strip().splitlines():
        paths = re.findall(
            r"(?<!\S)[a-z_]+(?:/|\.py)(?=\s|$)", line.strip().split("  ")[0]
        )
        if not line.startswith(" ") and paths:
            parent = paths[0]
            named.append(parent)
        else:
            named += [parent + path for path in paths]
    assert len(named) > 35
    assert [path for path in named if not (ROOT / path).exists()] == []
