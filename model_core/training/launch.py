"""Start several training processes on this machine, without the need to know torchrun's
options.

The group is the same as torchrun's: the same environment variables, with this process
as rank 0. But its processes meet in a file and not at a port, so that no other user and
no other machine can join them.
"""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import TypeAdapter

from model_core.errors import PixelRNNError
from model_core.slow_steps import if_slow
from model_core.training.display import Display
from model_core.training.launched import EXIT_LOST, READY
from model_core.training.memory import OutOfMemoryError
from model_core.training.ranks import MEETING, LostProcessError
from model_core.training.run import RunRequest, RunResult, train
from model_core.training.timing import TimingRequest, TrainingImages, time_updates

_DIRECTORY = "group"
"""Directory in a run's for the files of its group."""
_TASK = "task.json"
_END_S = 10.0
"""Seconds that the other processes may take to end after the leader has finished."""
_DEATH_S = 5.0
"""Seconds within which the status of a dead process can be read, at most: the kernel
closes its connections first."""
_LOOK_S = 0.02


def train_with(
    request: RunRequest,
    processes: int,
    make_display: Callable[[bool, int, int], Display] = Display,
    is_over: Callable[[], bool] = lambda: False,
    say: Callable[[str], None] = lambda _: None,
) -> RunResult:
    """Train in `processes` processes, of which this is one, and return the result. When
    it returns or raises, no other process is left.

    make_display, is_over: as in `run.train`; only this process calls them, and a
        request to stop reaches all.
    say: called with a line if the start takes longer than a moment.

    Raises PixelRNNError: ConfigError, DataError or ModelError if the request cannot be
    trained, LostProcessError if another process dies, and others as `run.train`.
    """
    if processes == 1:
        return train(request, make_display, is_over)
    with _led_group(Task(train=request), processes, say):
        return train(request, make_display, is_over)


def time_with(
    request: TimingRequest,
    processes: int,
    images: TrainingImages,
) -> tuple[dict[int, float], float]:
    """Time updates in `processes` processes, of which this is one. Return the seconds
    of an update by number of processes, and the seconds that the start took. When it
    returns or raises, no other process is left.

    images: the training images that this process has read; the others read them.
    """
    began = time.perf_counter()
    with _led_group(Task(timing=request), processes, lambda _: None):
        timing = time_updates(request, images)
    return timing.update_s, timing.joined_at - began


@dataclass(frozen=True)
class Task:
    """What all processes of a group do: train or time, exactly one of them."""

    train: RunRequest | None = None
    timing: TimingRequest | None = None

    @property
    def directory(self) -> Path:
        """The run's directory."""
        request = self.train or self.timing
        assert request is not None
        return request.directory

    def carry_out(self) -> None:
        """Train or time, as one process of the group that the environment variables
        describe."""
        if self.train is not None:
            train(self.train)
        if self.timing is not None:
            time_updates(self.timing)


def read_task(directory: Path) -> Task:
    """Return the task that the leader of a group wrote.

    directory: the group's.
    """
    return TypeAdapter(Task).validate_json((directory / _TASK).read_bytes())


@contextmanager
def _led_group(
    task: Task, processes: int, say: Callable[[str], None]
) -> Iterator[None]:
    """Start the other processes of a group, and lead it within the context."""
    directory = (task.directory / _DIRECTORY).absolute()
    # An earlier group of this run may have been killed.
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    (directory / _TASK).write_bytes(TypeAdapter(Task).dump_json(task))
    others: list[subprocess.Popen[bytes]] = []
    try:
        for rank in range(1, processes):
            environment = _environment_of(rank, processes, directory)
            others.append(_started(directory, environment))
        with if_slow(say, f"starting {processes} processes"):
            _wait_until_ready(others, task)
        with _environment(_environment_of(0, processes, directory)):
            yield
        _wait_until_ended(others)
    except LostProcessError as error:
        raise _cause(others, task) or error from error
    finally:
        for other in others:
            other.kill()
            other.wait()
            assert other.stdout is not None
            other.stdout.close()
        shutil.rmtree(directory, ignore_errors=True)


def _environment_of(rank: int, processes: int, directory: Path) -> dict[str, str]:
    """Return the environment variables by which a process joins a group."""
    variables = {
        "WORLD_SIZE": str(processes),
        "LOCAL_WORLD_SIZE": str(processes),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
        MEETING: str(directory / "meeting"),
    }
    if sys.platform == "linux":
        # By default gloo listens at the address of the host's name.
        variables["GLOO_SOCKET_IFNAME"] = "lo"
    return variables


def _started(
    directory: Path, environment: Mapping[str, str]
) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-P", "-m", "model_core.training.launched"]
    return subprocess.Popen(
        [*command, str(os.getpid()), str(directory)],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )


def _wait_until_ready(others: list["subprocess.Popen[bytes]"], task: Task) -> None:
    """Wait until the other processes have imported what they need.

    Raises LostProcessError if one has died: a process that waits for it in
    `init_process_group` would not be told.
    """
    for other in others:
        assert other.stdout is not None
        if other.stdout.readline().strip() != READY.encode():
            raise LostProcessError(
                f"training process {other.pid} did not start: {_way_on(task)}"
            )


def _wait_until_ended(others: list["subprocess.Popen[bytes]"]) -> None:
    """Wait a while until the other processes have ended by themselves."""
    deadline = time.monotonic() + _END_S
    while time.monotonic() < deadline:
        if all(other.poll() is not None for other in others):
            return
        time.sleep(_LOOK_S)


def _cause(others: list["subprocess.Popen[bytes]"], task: Task) -> PixelRNNError | None:
    """Return the error by which another process has ended, which broke the connections
    of all; None if none can be found."""
    deadline = time.monotonic() + _DEATH_S
    while True:
        for other in others:
            # Processes that were lost themselves report EXIT_LOST.
            if other.poll() not in (None, 0, EXIT_LOST):
                return _error_of(other, task)
        if time.monotonic() > deadline:
            return None
        time.sleep(_LOOK_S)


def _error_of(dead: "subprocess.Popen[bytes]", task: Task) -> PixelRNNError:
    """Return the error of a process that has ended with a failure."""
    assert dead.stdout is not None
    lines = dead.stdout.read().splitlines()
    try:
        failure = json.loads(lines[-1])
    except (IndexError, ValueError):
        failure = {"failed": "", "is_memory": False}
    if failure["is_memory"]:
        return OutOfMemoryError(failure["failed"])
    why = f" ({failure['failed']})" if failure["failed"] else ""
    return LostProcessError(
        f"training process {dead.pid} ended with {dead.returncode}{why}: "
        f"{_way_on(task)}"
    )


def _way_on(task: Task) -> str:
    if task.train is None:
        return "try again, or with --processes 1"
    return f"go on from {task.directory} with --resume"


@contextmanager
def _environment(variables: Mapping[str, str]) -> Iterator[None]:
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
