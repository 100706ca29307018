"""A model is ready while another's loops are compiled behind it."""

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_core.compiled import keeping
from tests.worker.harness import (
    COLD_START_S,
    Client,
    StartWorker,
    WorkerProcess,
    wait_for,
)
from worker.contract import keys
from worker.contract.cards import WorkerInfo
from worker.contract.jobs import JobStatus

MODELS: dict[str, Any] = {"models": "tiny-cnn,tiny-diagonal"}

pytestmark = pytest.mark.skipif(
    not keeping.KEEP, reason="compiled code cannot be kept here"
)


@pytest.fixture
def half_compiled(
    client: Client,
    start_worker: StartWorker,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Workers that start find the loops of tiny-diagonal compiled, and not those of tiny-cnn."""
    start_worker(**MODELS).kill()
    usual = keeping.root
    without = shutil.ignore_patterns("pixel_cnn-*")
    shutil.copytree(usual, tmp_path / "compiled" / usual.name, ignore=without)
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "compiled"))


def ready(client: Client, worker: WorkerProcess) -> tuple[str, ...]:
    text = client.redis.get(keys.worker(worker.name))
    return WorkerInfo.model_validate_json(text).ready if text else ()


def compilers(worker: WorkerProcess) -> list[int]:
    """The processes that compile for its engine."""
    engine = worker.engine()
    children = Path(f"/proc/{engine}/task").glob("*/children")
    found = [int(pid) for path in children for pid in path.read_text().split()]
    return [
        pid
        for pid in found
        if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ]


@pytest.mark.timeout(COLD_START_S)
@pytest.mark.usefixtures("half_compiled")
def test_job_waits_for_its_model_when_that_is_compiled(
    client: Client, start_worker: StartWorker
) -> None:
    """It is parked, untried, and others are drawn before it; then it gives the bytes that it always gives.

    So also where the compilers are killed, as for want of memory: the engine's process compiles for itself.
    """
    worker = start_worker(ready=False, **MODELS)
    spec = client.submit(model="tiny-cnn")
    wait_for(lambda: ready(client, worker) == ("tiny-diagonal",), "the first model")
    killed = wait_for(lambda: compilers(worker), "compilers")
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    assert (
        client.wait_end(client.submit(model="tiny-diagonal").id).status
        is JobStatus.SUCCEEDED
    )
    wait_for(
        lambda: client.redis.zscore(keys.parked_ids(keys.QUEUE), spec.id) is not None,
        "the job to be parked",
    )
    assert (client.status(spec.id), client.attempts(spec.id)) == (JobStatus.QUEUED, 0)
    wait_for(
        lambda: "tiny-cnn" in ready(client, worker), "the other model", COLD_START_S
    )
    client.succeeded(spec)
    assert client.attempts(spec.id) == 1
    assert "compiler_failed" in [event["event"] for event in worker.events()]
    again = client.submit(model="tiny-cnn", seed=spec.seed)
    client.wait_end(again.id)
    np.testing.assert_array_equal(client.images(spec), client.images(again))
    later = start_worker(**MODELS)
    assert "compiling" not in [event["event"] for event in later.events()]
    client.wait_idle()


@pytest.mark.weekly
@pytest.mark.timeout(COLD_START_S)
@pytest.mark.usefixtures("half_compiled")
def test_what_undisturbed_compilers_left_is_read_when_they_are_done(
    client: Client, start_worker: StartWorker
) -> None:
    """The engine's process compiles nothing itself, and a later worker starts none."""
    worker = start_worker(**MODELS)
    wait_for(
        lambda: "tiny-cnn" in ready(client, worker), "the other model", COLD_START_S
    )
    assert "compiler_failed" not in [event["event"] for event in worker.events()]
    later = start_worker(**MODELS)
    assert "compiling" not in [event["event"] for event in later.events()]
    assert (
        client.wait_end(client.submit(model="tiny-cnn").id).status
        is JobStatus.SUCCEEDED
    )
