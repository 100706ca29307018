"""Several training processes on this machine, for people who do not want to spell torchrun's options.

The group is what torchrun would make: the same environment variables, rank 0 being the process we are in.
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
    """Train in `processes` processes, one of them this one; the curve is that of one process, up to rounding."""
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
    """A broken connection, named by its cause: another process that has died."""
    time.sleep(
        1
    )  # a process that was killed closes its connections before its parent can collect it
    dead = [other for other in others if other.exitcode]
    if not dead:
        return error
    return LostProcessError(
        f"training process {dead[0].pid} ended with {dead[0].exitcode}: go on from {request.directory} with --resume"
    )


def _train_as(request: RunRequest, environment: dict[str, str]) -> None:
    with _environment({**environment, "LOCAL_RANK": environment["RANK"]}):
        try:
            train(request)
        except PixelRNNError:
            sys.exit(2)  # rank 0 meets the same error and says it


@contextmanager
def _environment(variables: dict[str, str]) -> Iterator[None]:
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
