"""Drawing loops that were built ahead of time: used where they fit, and left where anything about them does not."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_core import load_model, sample
from model_core.compiled import built
from model_core.compiled.levels import LEVELS

Described = dict[str, Any]
LEVEL = next((level.name for level in LEVELS if built.fits(level)), "")
pytestmark = [pytest.mark.skipif(not LEVEL, reason="nothing is built for this machine"), pytest.mark.timeout(600)]

DRAW = """
import sys
import numpy as np
from model_core import load_model, sample
from model_core.compiled import philox, pixel_cnn
from model_core.sampling.stages import is_cold
model = load_model("tiny-rgb", models_dir=sys.argv[1])
drawn = sample(model, n=3, seed=5)
keep = np.zeros(drawn.shape[2:], bool)
keep[:3] = True
given = sample(model, n=1, seed=6, known=drawn[0], keep=model.network.input.bias.new_tensor(keep).bool())
np.savez(sys.argv[2], drawn=drawn.numpy(), given=given.numpy())
compiled = [each.__name__ for each in (pixel_cnn.advance, pixel_cnn.pass_given, philox.fill_uniform) if each.overloads]
print(compiled, end="")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The loops of one kind for this processor, by the command."""
    folder = tmp_path_factory.mktemp("native") / "built"
    options = ["--into", str(folder), "--kinds", "pixel-cnn", "--levels", LEVEL]
    command = [sys.executable, "-m", "model_core.portable.native", *options]
    subprocess.run(command, check=True, capture_output=True)
    return folder


@pytest.fixture
def use(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], Path]]:
    """use(): a copy of what was made, which is then looked at anew."""

    def used() -> Path:
        folder = tmp_path / "built"
        shutil.copytree(made, folder)
        monkeypatch.setattr(built, "FOLDER", folder)
        forget()
        return folder

    yield used
    forget()


def forget() -> None:
    built._library.cache_clear()
    built._built.cache_clear()


def is_used(name: str = "pixel_cnn.advance") -> bool:
    return built._built(name, None) is not None


def draw(folder: Path, models_dir: Path, place: Path) -> tuple[str, dict[str, np.ndarray]]:
    """What a process had to compile that had this folder, and what it drew."""
    kept = {"PIXELRNN_BUILT_DIR": str(folder), "NUMBA_CACHE_DIR": str(place / "compiled")}
    command = [sys.executable, "-c", DRAW, str(models_dir), str(place / "drawn.npz")]
    done = subprocess.run(command, env=os.environ | kept, check=True, capture_output=True, text=True)
    return done.stdout, dict(np.load(place / "drawn.npz"))


def test_nothing_is_compiled_and_the_bytes_are_those_of_compiled_loops(
    made: Path, models_dir: Path, tmp_path: Path
) -> None:
    """Rows that are drawn, and rows that are given."""
    compiled, drawn = draw(made, models_dir, tmp_path)
    model = load_model("tiny-rgb", models_dir=models_dir)
    assert compiled == "[]"
    np.testing.assert_array_equal(drawn["drawn"], sample(model, n=3, seed=5).numpy())
    np.testing.assert_array_equal(drawn["given"][0, :, :3], drawn["drawn"][0, :, :3])


def test_what_fits_is_used(use: Callable[[], Path]) -> None:
    use()
    assert is_used()
    assert is_used("philox.fill_uniform")
    assert not is_used("row_lstm.advance"), "it was not built"


def test_other_types_are_compiled(use: Callable[[], Path]) -> None:
    """An entry fits the types that it was built for, and no others."""
    use()
    assert built._built("philox.fill_uniform", "uint64 uint64 uint64 d3 ") is not None
    assert built._built("philox.fill_uniform", "uint64 uint64 uint64 f3 ") is None


@pytest.mark.parametrize("file", [built.INDEX, *(f"{LEVEL}{kind}" for kind in built.PARTS)])
def test_what_is_damaged_is_left(use: Callable[[], Path], file: str, caplog: pytest.LogCaptureFixture) -> None:
    """A bit that was turned in any of the files; it is said once."""
    path = use() / file
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 16
    path.write_bytes(content)
    assert not all(map(is_used, ["pixel_cnn.advance", "pixel_cnn.pass_given", "philox.fill_uniform"]))
    assert [record.message.split(":")[0] for record in caplog.records] == ["built_code_left"]


def test_what_computes_something_else_is_left(use: Callable[[], Path]) -> None:
    """The canary has the last word: here one that was made by other code. Each entry stands for itself."""

    def of_other_code(described: Described) -> None:
        described["entries"]["pixel_cnn.advance"]["canary"]["sha256"] = "0" * 64

    describe(use(), of_other_code)
    assert not is_used()
    assert is_used("pixel_cnn.pass_given")


def test_what_was_built_of_other_sources_is_left(use: Callable[[], Path]) -> None:
    change(use() / built.INDEX, lambda index: index.update(sources="0" * 64))
    assert not is_used()


def test_what_was_built_for_other_tiles_is_left(use: Callable[[], Path]) -> None:
    """Weights are laid out by them."""
    describe(use(), lambda described: described.update(tiles=[1, 1, 1]))
    assert not is_used()


def test_without_a_folder_everything_is_compiled(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(built, "FOLDER", tmp_path / "none")
    forget()
    assert not is_used()
    forget()


def describe(folder: Path, how: Callable[[Described], object]) -> None:
    """Change what is said of the level's entries, as a builder that means it would."""
    file = folder / f"{LEVEL}.json"
    change(file, how)
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    change(folder / built.INDEX, lambda index: index["files"].update({file.name: digest}))


def change(path: Path, how: Callable[[Described], object]) -> None:
    described = json.loads(path.read_text())
    how(described)
    path.write_text(json.dumps(described))
