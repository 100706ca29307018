"""Start several training processes on this machine, without the need to know torchrun's
options.

The group is the same as torchrun's: the same environment variables, with this process
as rank 0.
"""

import multiprocessing
import os
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess

from model_core.errors import PixelRNNError
from model_core.training.run import RunRequest, RunResult, train


class LostProcessError(PixelRNNError):
    """One of several training processes has died."""


def train_with(request: RunRequest, processes: int) -> RunResult:
    """Train in `processes` processes on this machine, of which this is one, and return
    the result. The others are started, and end with the training. The course of the
    training is that of one process, up to rounding.

    Raises the errors of `run.train`, and LostProcessError if another process dies.
    """
    if processes == 1:
        return train(request)
    count = str(processes)
    group = {
        "WORLD_SIZE": count,
        "LOCAL_WORLD_SIZE": count,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(_free_port()),
    }
    context = multiprocessing.get_context("spawn")
    others = [
        context.Process(
            target=_train_as, args=(request, {**group, "RANK": str(rank)}), daemon=True
        )
        for rank in range(1, processes)
    ]
    for other in others:
        other.start()
    with _environment({**group, "RANK": "0", "LOCAL_RANK": "0"}):
        try:
            result = train(request)
        except RuntimeError as error:
            raise _error_with_cause(error, others, request) from error
    for other in others:
        other.join()
    return result


def _error_with_cause(
    error: RuntimeError, others: list[SpawnProcess], request: RunRequest
) -> Exception:
    """Return a LostProcessError if another process has died, which breaks the
    connection; otherwise `error` itself."""
    # A killed process closes its connections before its exit code can be read.
    time.sleep(1)
    dead = [other for other in others if other.exitcode]
    if not dead:
        return error
    return LostProcessError(
        f"training process {dead[0].pid} ended with {dead[0].exitcode}: go on from "
        f"{request.directory} with --resume"
    )


def _train_as(request: RunRequest, environment: dict[str, str]) -> None:
    with _environment({**environment, "LOCAL_RANK": environment["RANK"]}):
        try:
            train(request)
        except PixelRNNError:
            sys.exit(2)  # rank 0 gets the same error and prints it


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
    """Set environment variables within the context."""
    before = {name: os.environ.get(name) for name in variables}
    os.environ.update(variables)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
