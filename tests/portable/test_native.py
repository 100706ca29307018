"""Drawing loops that were compiled ahead of time: used where they fit, and compiled anew where they do not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from model_core import levels, load_model, sample
from model_core.compiled import keeping
from model_core.compiled.ahead import FUNCTIONS, compile_loop
from model_core.levels import LEVELS
from pixelrnn.extras import check_extras_first

LEVEL = next((level.name for level in LEVELS if level.fits), "")
pytestmark = [
    pytest.mark.skipif(not LEVEL, reason="nothing is built for this machine"),
    pytest.mark.timeout(600),
]

CHOOSE = "from model_core import levels; levels.choose()"
HERE = """
from llvmlite import binding
from model_core import levels
levels.LEVELS = (levels.Level("here", binding.get_host_cpu_name(), (), ()),)
"""
"""In the place of CHOOSE: this very processor is a level, whose code is the one that tests have kept."""
DRAW = """
import sys
import numpy as np
from model_core import load_model, sample
from model_core.compiled import philox, pixel_cnn
from model_core.sampling.stages import is_cold
model = load_model("tiny-rgb", models_dir=sys.argv[1])
was_cold = is_cold(model)
drawn = sample(model, n=3, seed=5)
keep = np.zeros(drawn.shape[2:], bool)
keep[:3] = True
given = sample(model, n=1, seed=6, known=drawn[0], keep=model.network.input.bias.new_tensor(keep).bool())
np.savez(sys.argv[2], drawn=drawn.numpy(), given=given.numpy())
functions = pixel_cnn.advance, pixel_cnn.pass_given, philox.fill_uniform
print(was_cold, sum(sum(each.stats.cache_misses.values()) for each in functions), end="")
"""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The loops of one kind for this processor, by the command."""
    folder = tmp_path_factory.mktemp("native") / "built"
    options = ["--into", str(folder), "--kinds", "pixel-cnn", "--levels", LEVEL]
    subprocess.run(
        [sys.executable, "-m", "model_core.portable.native", *options],
        check=True,
        capture_output=True,
    )
    return folder


def draw(
    built: Path, cache: Path, models_dir: Path, place: Path, first: str = CHOOSE
) -> tuple[str, dict[str, np.ndarray]]:
    """What a process says that has this built folder and keeps code there, and what it drew."""
    environment = os.environ | {
        "PIXELRNN_BUILT_DIR": str(built),
        "NUMBA_CACHE_DIR": str(cache),
    }
    command = [
        sys.executable,
        "-c",
        f"{first}\n{DRAW}",
        str(models_dir),
        str(place / "drawn.npz"),
    ]
    done = subprocess.run(
        command, env=environment, check=True, capture_output=True, text=True
    )
    return done.stdout, dict(np.load(place / "drawn.npz"))


@pytest.mark.weekly
def test_command_builds_what_a_process_draws_with(
    made: Path, models_dir: Path, tmp_path: Path
) -> None:
    """For a level; rows that are drawn, and rows that are given."""
    expect_built_code(made, tmp_path / "cache", models_dir, tmp_path)


@pytest.mark.skipif(not keeping.KEEP, reason="compiled code cannot be kept here")
@pytest.mark.parametrize("can_be_kept", [True, False])
def test_nothing_is_compiled_and_the_bytes_are_those_of_compiled_loops(
    models_dir: Path, tmp_path: Path, can_be_kept: bool
) -> None:
    """Also where the process can keep no code of its own."""
    sample(load_model("tiny-rgb", models_dir=models_dir), n=1, seed=5)
    for function in FUNCTIONS:
        compile_loop("pixel-cnn", function)
    shutil.copytree(keeping.root, tmp_path / "built" / "here" / keeping.root.name)
    cache = tmp_path / "cache"
    if not can_be_kept:
        cache.touch()
    expect_built_code(
        tmp_path / "built", cache / "compiled", models_dir, tmp_path, HERE
    )


def expect_built_code(
    built: Path, cache: Path, models_dir: Path, place: Path, first: str = CHOOSE
) -> None:
    answer, drawn = draw(built, cache, models_dir, place, first)
    assert answer == "False 0"
    np.testing.assert_array_equal(
        drawn["drawn"],
        sample(load_model("tiny-rgb", models_dir=models_dir), n=3, seed=5),
    )
    np.testing.assert_array_equal(drawn["given"][0, :, :3], drawn["drawn"][0, :, :3])


@pytest.mark.weekly
def test_what_was_built_of_other_sources_is_left(made: Path, tmp_path: Path) -> None:
    """The directories of its modules are named after their sources, so others are looked for."""
    (built,) = (made / LEVEL).iterdir()
    for directory in built.iterdir():
        other = f"{directory.name.partition('-')[0]}-of-other-sources"
        shutil.copytree(directory, tmp_path / "built" / LEVEL / built.name / other)
    look = (
        "from model_core import levels; levels.choose(); "
        "from model_core.compiled import is_kept; print(is_kept('pixel-cnn'))"
    )
    environment = {
        "PIXELRNN_BUILT_DIR": str(tmp_path / "built"),
        "NUMBA_CACHE_DIR": str(tmp_path / "compiled"),
    }
    done = subprocess.run(
        [sys.executable, "-c", look],
        env=os.environ | environment,
        check=True,
        capture_output=True,
    )
    assert done.stdout == b"False\n"


@pytest.mark.parametrize(
    ("verb", "processor"), [("sample", LEVEL), ("score", LEVEL), ("train", None)]
)
def test_verbs_that_draw_take_built_code(
    verb: str, processor: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that trains compiles for the very processor that it runs on."""
    (tmp_path / LEVEL).mkdir()
    monkeypatch.setattr(levels, "FOLDER", tmp_path)
    monkeypatch.setattr(os, "environ", {"PATH": os.environ["PATH"]})

    def run() -> str | None:
        return os.environ.get("NUMBA_CPU_NAME")

    run.__name__ = verb
    assert check_extras_first(run)() == processor


def test_a_processor_that_numba_was_told_of_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever names one wants to see what it does."""
    (tmp_path / LEVEL).mkdir()
    monkeypatch.setattr(levels, "FOLDER", tmp_path)
    monkeypatch.setattr(os, "environ", {"NUMBA_CPU_NAME": "haswell"})
    levels.choose()
    assert dict(os.environ) == {"NUMBA_CPU_NAME": "haswell"}
