"""A first start on a machine that is busy with something else is slow, and loses no model."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from model_core.compiled import keeping
from model_core.models_directory import default_models_dir, models_in
from tests.house.processes import eventually
from tests.house.running import Up

pytestmark = [
    pytest.mark.weekly,
    pytest.mark.skipif(not keeping.KEEP, reason="compiled code cannot be kept here"),
]

LOOPS = 20
LIMIT_S = 3 * 3600.0
"""Seconds of two cores that are shared with LOOPS others. Idle cores need 90."""

SPIN = "import os\nwhile os.getppid() == {parent}: pass"


@contextmanager
def busy() -> Iterator[None]:
    """Keep every processor busy with LOOPS processes that never sleep.

    Each has a session of its own, because Linux shares processors between sessions.
    """
    program = SPIN.format(parent=os.getpid())
    command = [sys.executable, "-c", program]
    loops = [subprocess.Popen(command, start_new_session=True) for _ in range(LOOPS)]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@pytest.mark.timeout(LIMIT_S + 300)
@pytest.mark.parametrize("is_examined", [True, False], ids=["shipped", "changed"])
def test_first_start_beside_busy_processes_serves_every_model(
    tmp_path: Path, is_examined: bool
) -> None:
    """Whether the models were examined before they were shipped, or are examined at
    this start, because a byte of their cards is another one."""
    models_dir = default_models_dir()
    if not is_examined:
        models_dir = tmp_path / "models"
        shutil.copytree(default_models_dir(), models_dir)
        for card in models_dir.glob("*/card.json"):
            card.write_bytes(card.read_bytes() + b"\n")
    names = set(models_in(models_dir)[1])
    caches = {
        "NUMBA_CACHE_DIR": str(tmp_path / "compiled"),
        "PIXELRNN_KEPT_DIR": str(tmp_path / "kept"),
        "PIXELRNN_BUILT_DIR": str(tmp_path / "nothing-is-built"),
    }
    with busy():
        up = Up(tmp_path / "data", models_dir, **caches)

        def all_are_ready() -> bool:
            if up.process.poll() is not None:
                return True
            listed = up.get("/models") if is_open(up) else {"models": []}
            ready = {one["name"] for one in listed["models"] if not one["compiling"]}
            assert not listed.get("refused")
            return ready == names

        assert eventually(all_are_ready, LIMIT_S, look_s=1.0)
        assert up.process.poll() is None, up.output()
        job = up.post("/sample", {"model": "mnist-diagonal-bilstm", "seed": 7})
        assert up.ended(job["id"])["status"] == "succeeded"
    up.stop()
    log = (tmp_path / "data" / "logs" / "worker-0.log").read_text()
    assert "model_refused" not in log


def is_open(up: Up) -> bool:
    """Return True if the API answers; a busy machine needs a while to start it."""
    try:
        up.get("/healthz")
    except OSError:
        return False
    return True
