"""A GPU that fails costs no job, and a new process waits until it works."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import structlog
import torch
from torch.overrides import TorchFunctionMode

from model_core.errors import ModelError
from tests.worker.harness import Client, StartWorker
from worker.contract.jobs import JobStatus
from worker.engine.card import FIRST_WAIT_S, LONGEST_WAIT_S, multiply, wait_for_card
from worker.engine.refusals import note_refused
from worker.process.crash import EXIT_CRASHED
from worker.process.patience import Patience


def test_jobs_of_a_card_that_fails_go_on_elsewhere(
    client: Client, start_worker: StartWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its worker ends and gives all of them back. Neither an attempt nor a death is
    counted: a card that fails five times fails no job."""
    monkeypatch.setenv("PYTHONPATH", ".")
    program = [sys.executable, "-m", "tests.worker.dead_card_engine", "worker"]
    specs = [client.submit(n=3, seed=seed) for seed in range(5)]
    for _ in range(2):
        doomed = start_worker(ready=False, command=program)
        assert doomed.wait() == EXIT_CRASHED
        assert "card_failed" in [event["event"] for event in doomed.events()]
    assert {client.status(spec.id) for spec in specs} == {JobStatus.QUEUED}
    assert {client.attempts(spec.id) for spec in specs} == {0}
    start_worker()
    for spec in specs:
        assert client.wait_end(spec.id).status is JobStatus.SUCCEEDED
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
        wait_for_card("cuda:999", lambda: begun.append(None), pause=pause)
    assert waits == [1, 2]
    assert len(begun) == 2
    assert {line["event"] for line in logs} == {"card_check_failed"}
    assert all(line["reason"] for line in logs)
    patience = Patience(FIRST_WAIT_S, LONGEST_WAIT_S)
    assert [patience.failed() for _ in range(10)][-2:] == [256, 300]


def test_worker_begins_once_its_card_passes_the_check() -> None:
    """Without a wait."""
    wait_for_card("cpu", lambda: None, pause=lambda seconds: pytest.fail("waited"))


class WrongProducts(TorchFunctionMode):
    """Every product of matrices but the first has one wrong entry."""

    products = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        found = func(*args, **(kwargs or {}))
        if func is torch.Tensor.__matmul__ or func is torch.Tensor.matmul:
            self.products += 1
            if self.products > 1:
                found[3, 5] += 1
        return found


def test_card_that_multiplies_wrongly_does_not_pass() -> None:
    """One wrong entry is enough."""
    multiply("cpu")
    with WrongProducts(), pytest.raises(ModelError, match="1 of 65536 entries"):
        multiply("cpu")


def test_model_is_not_refused_for_a_failed_card() -> None:
    """The error goes on to whoever reports that the card has failed."""
    lost = torch.AcceleratorError("CUDA error: device lost")
    with pytest.raises(torch.AcceleratorError):
        note_refused("digits", lost, Path("digits"))
    assert note_refused("digits", ModelError("too large"), Path("digits")) == (
        "too large"
    )
