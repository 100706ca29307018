"""A machine that is busy with something else makes its workers slow, and ends none of them."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest

from model_core.models_directory import default_models_dir
from tests.worker.harness import Client, StartWorker, wait_for
from worker.contract.jobs import JobStatus

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux", reason="only Linux keeps processes to one processor"
    ),
]

MODEL = "cifar10-small-pixelcnn"
PATIENCE_S = 150.0
SPIN = "import os\nos.sched_setaffinity(0, [{processor}])\nwhile os.getppid() == {parent}: pass"


@pytest.fixture(scope="module")
def models_dir() -> Path:
    return default_models_dir()


@contextmanager
def busy(processor: int) -> Iterator[None]:
    """Eight endless loops on this processor."""
    program = SPIN.format(processor=processor, parent=os.getpid())
    loops = [subprocess.Popen([sys.executable, "-c", program]) for _ in range(8)]
    yield
    for loop in loops:
        loop.kill()
        loop.wait()


def test_completion_is_drawn_by_one_worker_beside_eight_busy_loops(
    client: Client, start_worker: StartWorker, tmp_path: Path
) -> None:
    """The lower half of a colour picture, six times, in two threads: all takes nine times as long as usually, and
    nothing counts as hung."""
    processor = max(os.sched_getaffinity(0))
    worker = start_worker(
        models=MODEL,
        engine_cpus=processor,
        draw_threads=2,
        kept_dir=tmp_path / "kept",
    )
    picture = np.random.default_rng(1).integers(0, 256, (32, 32, 3), np.uint8)
    keep = np.repeat([[1], [0]], 16, 0).repeat(32, 1).astype(np.uint8)
    with busy(processor):
        spec = client.submit(
            picture.tobytes(),
            keep.tobytes(),
            kind="complete",
            model=MODEL,
            n=6,
            options={"method": "posterior"},
        )
        wait_for(
            lambda: (
                client.status(spec.id).is_terminal or worker.process.poll() is not None
            ),
            "its end",
            PATIENCE_S,
        )
    assert client.status(spec.id) is JobStatus.SUCCEEDED, worker.log.read_text()
