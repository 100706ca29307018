"""A GPU that fails costs no job, and a new process waits until it works."""

from pathlib import Path

import pytest
import structlog
import torch

from model_core.blocks.program import KINDS
from model_core.errors import ModelError
from model_core.sampling.blocks.drivers import Launch, ProcessorDriver
from tests.model_core.fake_gpu import OneBitOff, fake_gpu
from tests.worker.harness import Client, StartWorker
from worker.contract.jobs import JobStatus
from worker.engine.gpu import FIRST_WAIT_S, LONGEST_WAIT_S, try_gpu, wait_for_gpu
from worker.engine.refusals import log_refusal
from worker.process.backoff import Backoff
from worker.process.crash import EXIT_CRASHED


def test_jobs_of_a_card_that_fails_go_on_elsewhere(
    client: Client, start_worker: StartWorker
) -> None:
    """Its worker ends and gives all of them back. Neither an attempt nor a death is
    counted: a GPU that fails five times fails no job."""
    specs = [client.submit(n=3, seed=seed) for seed in range(5)]
    for _ in range(2):
        doomed = start_worker(ready=False, module="tests.worker.dead_card_engine")
        assert doomed.wait() == EXIT_CRASHED
        assert "card_failed" in [event["event"] for event in doomed.events()]
    assert {client.status(spec.id) for spec in specs} == {JobStatus.QUEUED}
    assert {client.attempts(spec.id) for spec in specs} == {0}
    start_worker()
    for spec in specs:
        client.succeeded(spec)
        assert client.attempts(spec.id) == 1
    client.wait_idle()


def test_worker_waits_while_its_card_fails_the_check() -> None:
    """Twice as long each time, at most five minutes. Here the device is one that this
    build of torch lacks, so the check fails in a process of its own."""
    waits: list[float] = []
    begun: list[None] = []

    class EnoughError(Exception):
        pass

    def pause(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            raise EnoughError

    with structlog.testing.capture_logs() as logs, pytest.raises(EnoughError):
        wait_for_gpu("cuda:999", lambda: begun.append(None), pause=pause)
    assert waits == [1, 2]
    assert len(begun) == 2
    assert {line["event"] for line in logs} == {"card_check_failed"}
    assert all(line["reason"] for line in logs)
    backoff = Backoff(FIRST_WAIT_S, LONGEST_WAIT_S)
    assert [backoff.failed() for _ in range(10)][-2:] == [256, 300]


def test_worker_begins_once_its_card_passes_the_check() -> None:
    """Without a wait."""
    wait_for_gpu("cpu", lambda: None, pause=lambda seconds: pytest.fail("waited"))


def test_card_is_tried_by_drawing_on_it() -> None:
    """With a network of every kind. A GPU that fails does not pass; one that computes
    otherwise does, since the processors draw in its place."""
    kinds: list[str] = []

    class Noting(ProcessorDriver):
        def launch(self, launch: Launch) -> None:
            kinds.append(launch.kind)
            super().launch(launch)

    with fake_gpu(Noting()):
        try_gpu("cpu")
    assert set(kinds) == set(KINDS)

    with fake_gpu(OneBitOff()):
        try_gpu("cpu")

    class Dead(ProcessorDriver):
        def launch(self, launch: Launch) -> None:
            raise torch.AcceleratorError("CUDA error: device lost")

    with fake_gpu(Dead()), pytest.raises(torch.AcceleratorError):
        try_gpu("cpu")


def test_model_is_not_refused_for_a_failed_card() -> None:
    """The error goes on to whoever reports that the GPU has failed."""
    lost = torch.AcceleratorError("CUDA error: device lost")
    with pytest.raises(torch.AcceleratorError):
        log_refusal("digits", lost, Path("digits"))
    assert log_refusal("digits", ModelError("too large"), Path("digits")) == (
        "too large"
    )
