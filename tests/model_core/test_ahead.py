"""Drawing loops that are compiled before there is a network: the same code, and no torch."""

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import numba
import pytest

from model_core.compiled import ahead, is_kept, keeping
from model_core.compiled.ahead import loop_types
from model_core.config import NetworkConfig
from model_core.kinds import KINDS, part
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.compiled.stage import CompiledStage

COMPILED = [kind for kind, record in KINDS.items() if record.compiled is not None]
SIZES = [
    {"channels": 1, "values": 2, "hidden": 5},
    {"channels": 3, "values": 4, "hidden": 16, "conditioning": 6, "factor": 2},
    {"channels": 1, "values": 7, "hidden": 8, "categories": True},
]


@pytest.mark.parametrize("sizes", SIZES, ids=["binary", "conditioned", "categories"])
@pytest.mark.parametrize("kind", COMPILED)
def test_argument_types_are_those_of_every_network(
    kind: str, sizes: dict[str, int]
) -> None:
    """Sizes, colours, conditions and categories leave the types as they are."""
    config = NetworkConfig(kind, height=6, width=4, layers=2, head=8, **sizes)
    stage = CompiledStage(PixelNetwork(config).eval().requires_grad_(False), 2)
    arguments = stage.loop_arguments([0]).values()
    found = tuple(numba.typeof(value) for value in arguments)
    assert found == loop_types(part(KINDS[kind].compiled).code.Layers)


def test_every_kind_with_compiled_loops_is_compiled_ahead() -> None:
    """A kind that is added is compiled ahead, too."""
    assert set(ahead.KINDS) == set(COMPILED)
    for kind in COMPILED:
        module = part(KINDS[kind].compiled).code.__name__
        assert module == f"model_core.compiled.{keeping.module_of(kind)}"


NO_TORCH = """
import sys

class NoTorch:
    def find_spec(self, name, *others):
        assert name.partition(".")[0] not in ("torch", "pydantic", "worker", "app"), name

sys.meta_path.insert(0, NoTorch())
sys.argv[1:] = ["--kinds", "pixel-cnn", "--functions", "advance"]
from model_core.compiled.ahead import main
main()
"""


@pytest.mark.skipif(not keeping.KEEP, reason="compiled code cannot be kept here")
def test_kept_loops_are_found_before_torch_is_installed() -> None:
    """The command needs numba alone, and does not compile again what is kept."""
    directory = keeping.directory_of("pixel_cnn")
    before = {
        path: path.stat().st_mtime_ns for path in directory.glob("*.advance-*.nb?")
    }
    if not before:
        pytest.skip("the loops have not been compiled here: make loops")
    subprocess.run([sys.executable, "-c", NO_TORCH], check=True)
    after = {
        path: path.stat().st_mtime_ns for path in directory.glob("*.advance-*.nb?")
    }
    assert after == before


# Eleven processor seconds, to compile what workers' tests find compiled. Whether the
# command needs torch is seen each time by the test above.
@pytest.mark.weekly
@pytest.mark.skipif(not keeping.KEEP, reason="compiled code cannot be kept here")
def test_loops_are_compiled_before_torch_is_installed(tmp_path: Path) -> None:
    """The command needs numba alone, and what it leaves on disk is found."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", NO_TORCH], env=environment, check=True)
    look = (
        "from model_core.compiled.keeping import is_loop_kept as k; "
        "print(k('pixel-cnn', 'advance'), k('pixel-cnn', 'pass_given'))"
    )
    done = subprocess.run(
        [sys.executable, "-c", look], env=environment, check=True, capture_output=True
    )
    assert done.stdout == b"True False\n"


@pytest.mark.skipif(not keeping.KEEP, reason="compiled code cannot be kept here")
def test_a_loop_that_is_being_compiled_is_waited_for(tmp_path: Path) -> None:
    """A second process waits for the lock, and does not compile meanwhile."""
    environment = os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)}
    look = "from model_core.compiled import keeping; print(keeping.directory_of('pixel_cnn'))"
    found = subprocess.run(
        [sys.executable, "-c", look],
        env=environment,
        check=True,
        capture_output=True,
        text=True,
    )
    directory = Path(found.stdout.strip())
    directory.mkdir(parents=True, mode=0o700)
    with (directory / "advance.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        command = [sys.executable, "-m", "model_core.compiled.ahead"]
        command += ["--kinds", "pixel-cnn", "--functions", "advance"]
        process = subprocess.Popen(command, env=environment)
        try:
            with pytest.raises(subprocess.TimeoutExpired):
                process.wait(3)
            assert not list(directory.glob("*.nb?"))
        finally:
            process.kill()
            process.wait()


HOLDER = """
import fcntl, os, signal, sys
lock = open(sys.argv[1], "w")
fcntl.flock(lock, fcntl.LOCK_EX)
print(os.getpid(), file=lock, flush=True)
print("held", flush=True)
os.kill(os.getpid(), signal.SIGSTOP)
"""


def test_a_compiler_that_lags_is_not_waited_for_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is stopped, or has a lower priority; one that goes on is."""
    monkeypatch.setattr(ahead, "_PATIENCE_S", 0.1)
    path = tmp_path / "advance.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"held\n"
        file = os.open(path, os.O_RDWR)
        try:
            assert not ahead._is_taken(file)
            assert ahead._lags(str(holder.pid).encode())
            assert not ahead._lags(str(os.getpid()).encode())
        finally:
            holder.kill()
        assert ahead._is_taken(file)
        os.close(file)


def test_a_kind_without_a_file_of_its_own_is_never_kept() -> None:
    """A kind that is declared elsewhere may borrow another's loops."""
    assert not is_kept("declared-elsewhere")
