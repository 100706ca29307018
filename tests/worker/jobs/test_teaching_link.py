"""A trainer's hold on the processes that train, which are stand-ins here."""

import errno
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from redis import Redis

from tests.house.processes import is_alive, is_stopped, started_children_of
from tests.worker.harness import wait_for
from worker import teaching_link
from worker.contract import keys
from worker.contract.added import OWNER, JobFiles, Owner
from worker.contract.jobs import JobStatus
from worker.contract.kinds.train import TrainOptions
from worker.engine.teaching_start import STARTED_LINE
from worker.orders.claims import RETRY, Claim, Outcome
from worker.orders.order import TrainOrder
from worker.process.group import end_group
from worker.settings import Settings
from worker.teaching_link import TeachingLink

STAND_IN = """
import pathlib, subprocess, sys, time
other = [sys.executable, "-c", "import time; time.sleep(600)"]
subprocess.Popen(other, stdout=subprocess.DEVNULL)
begin, end, ends = sys.argv[1:]
print(begin, end="", flush=True)
while not pathlib.Path(ends).exists():
    time.sleep(0.01)
print(end, flush=True)
time.sleep(600)
"""
"""Starts another process of its group, says how it begins and, once a file is there, its
end; then it takes its time."""


class Trainings:
    """A link that starts stand-ins, and those that its brake holds."""

    def __init__(self, redis_url: str, added: Path) -> None:
        self.link = TeachingLink(Settings(redis_url=redis_url, added_dir=added))
        self.processes: list[subprocess.Popen[bytes]] = []
        self.ended: list[str] = []
        self.held: list[subprocess.Popen[bytes]] = []
        self.begin = ""
        self.ends = added / "ends"
        self._hold = self.link._brake.hold
        self.link._brake.hold = self.hold  # type: ignore[method-assign]

    def hold(self, process: "subprocess.Popen[bytes]", is_over: Any) -> None:
        self.held.append(process)
        self._hold(process, is_over)

    def popen(self, _: object, **options: Any) -> "subprocess.Popen[bytes]":
        words = [self.begin, '{"failed": "no"}', str(self.ends)]
        command = [sys.executable, "-c", STAND_IN, *words]
        self.processes.append(subprocess.Popen(command, **options))
        return self.processes[-1]

    def submit(
        self, token: str, begin: str = STARTED_LINE
    ) -> "subprocess.Popen[bytes]":
        self.begin = begin
        self.link.submit(order_of(token))
        return self.processes[-1]


def order_of(token: str) -> TrainOrder:
    """The order of a training whose job has its token for an id."""
    return TrainOrder(Claim(token, token, 0), "mine", TrainOptions())


@pytest.fixture
def trainings(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Trainings]:
    there = Trainings(redis_url, tmp_path)
    stand_in = SimpleNamespace(**{**vars(subprocess), "Popen": there.popen})
    monkeypatch.setattr(teaching_link, "subprocess", stand_in)
    there.link.start(None, None, {"end": lambda token, _: there.ended.append(token)})
    yield there
    for process in there.processes:
        end_group(process)
    there.link.stop(1)
    wait_for(lambda: all(each.stdout.closed for each in there.processes), "the end")


def test_a_process_that_has_said_its_end_keeps_no_other_from_being_stopped(
    trainings: Trainings, redis_url: str
) -> None:
    """It takes its time to end, and is not stopped meanwhile: it holds memory."""
    first = trainings.submit("first")
    wait_for(lambda: trainings.held == [first], "the brake")
    trainings.ends.touch()
    wait_for(lambda: trainings.ended == ["first"], "its end")
    trainings.ends.unlink()
    with Redis.from_url(redis_url) as redis:
        redis.hset(keys.LOAD, "work", 1)
    second = trainings.submit("second")
    wait_for(lambda: is_stopped(second.pid), "the stop of the second")
    assert not is_stopped(first.pid)


def test_a_process_is_not_stopped_before_it_says_that_it_may_be(
    trainings: Trainings, redis_url: str
) -> None:
    """If its trainer died, nobody would end or continue it."""
    with Redis.from_url(redis_url) as redis:
        redis.hset(keys.LOAD, "work", 1)
    trainings.submit("first", begin="")
    second = trainings.submit("second")
    wait_for(lambda: is_stopped(second.pid), "the stop of the second")
    assert trainings.held == [second]


@pytest.mark.parametrize("is_canceled", [False, True])
def test_a_training_that_was_canceled_publishes_nothing(
    trainings: Trainings, redis_url: str, tmp_path: Path, is_canceled: bool
) -> None:
    """Though its trainer was not told, because it was taken for dead."""
    trainings.submit("first")
    files = JobFiles(tmp_path, "first", "mine")
    (files.place / "model" / "mine").mkdir(parents=True)
    with Redis.from_url(redis_url) as redis:
        redis.hset(keys.job("first"), "cancel_requested" if is_canceled else "n", "1")
    trainings.link._end(order_of("first"), {"done": {}})
    assert files.model.exists() is not is_canceled
    trainings.link.withdraw("first")
    assert files.model.exists() is not is_canceled


def test_files_that_cannot_be_deleted_hold_up_nothing(
    trainings: Trainings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The end of the job goes its way; the sweeper comes back to the files."""
    files = JobFiles(tmp_path, "first", "mine")
    files.model.mkdir(parents=True)
    (files.model / OWNER).write_text(Owner(owner="al", job="first").model_dump_json())
    (files.place / "run" / "mine").mkdir(parents=True)
    claim, canceled = order_of("first").claim, Outcome(JobStatus.CANCELED)

    def refuse(path: Path, target: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    with monkeypatch.context() as failing:
        failing.setattr(Path, "rename", refuse)
        trainings.link.closed(claim, canceled)
    assert files.model.exists()
    trainings.link.closed(claim, canceled)
    assert not files.model.exists()


def members(leader: "subprocess.Popen[bytes]") -> list[int]:
    """The processes of a training, once there are two."""
    pid = leader.pid
    return [pid, *wait_for(lambda: started_children_of(pid), "the other process")]


@pytest.mark.parametrize("is_drawn", [False, True], ids=["running", "stopped"])
@pytest.mark.parametrize("how", ["withdraw", "stop"])
def test_no_process_of_a_training_is_left(
    trainings: Trainings, redis_url: str, how: str, is_drawn: bool
) -> None:
    """Nor of one that is stopped because others draw."""
    there = members(trainings.submit("first"))
    wait_for(lambda: trainings.held, "the brake")
    if is_drawn:
        with Redis.from_url(redis_url) as redis:
            redis.hset(keys.LOAD, "work", 1)
        wait_for(lambda: all(map(is_stopped, there)), "the stop of both")
    if how == "withdraw":
        trainings.link.withdraw("first")
    else:
        trainings.link.stop(1)
    assert not any(map(is_alive, there))


def test_processes_that_outlive_their_leader_are_ended(trainings: Trainings) -> None:
    """It was killed alone, as by a kernel that has no memory left."""
    first = trainings.submit("first")
    there = members(first)
    first.kill()
    wait_for(lambda: not any(map(is_alive, there)), "the end of both")


@pytest.mark.parametrize("lacks", ["process", "thread"])
def test_training_is_tried_again_if_its_process_cannot_be_started(
    redis_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lacks: str
) -> None:
    """The system may have no room for it now; the fifth such attempt fails the job, and
    says why. Nothing is left of a process to which nobody could listen."""
    started = []

    def popen(_: object, **options: Any) -> "subprocess.Popen[bytes]":
        if lacks == "process":
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        command = [sys.executable, "-c", "import time; time.sleep(600)"]
        started.append(subprocess.Popen(command, **options))
        return started[-1]

    def thread(**_: object) -> SimpleNamespace:
        return SimpleNamespace(start=lambda: fail("can't start new thread"))

    def fail(why: str) -> None:
        raise RuntimeError(why)

    stand_in = SimpleNamespace(**{**vars(subprocess), "Popen": popen})
    monkeypatch.setattr(teaching_link, "subprocess", stand_in)
    monkeypatch.setattr(teaching_link, "FIRST_DELAY_S", 0.0)
    link = TeachingLink(Settings(redis_url=redis_url, added_dir=tmp_path))
    ended: list[Outcome] = []
    link.start(None, None, {"end": lambda _, outcome: ended.append(outcome)})
    threads = SimpleNamespace(**{**vars(threading), "Thread": thread})
    monkeypatch.setattr(teaching_link, "threading", threads)
    JobFiles(tmp_path, "job", "mine").place.mkdir(parents=True)
    for attempt in range(teaching_link.ATTEMPTS):
        claim = Claim("job", f"token-{attempt}", 0)
        link.submit(TrainOrder(claim, "mine", TrainOptions()))
    link.stop(1)
    assert ended[:-1] == [RETRY] * (teaching_link.ATTEMPTS - 1)
    assert ended[-1].status is JobStatus.FAILED
    assert ended[-1].error is not None
    missing = os.strerror(errno.EAGAIN) if lacks == "process" else "start new thread"
    assert missing in ended[-1].error.detail
    assert not any(is_alive(process.pid) for process in started)
    for process in started:
        assert process.stdout is not None
        process.stdout.close()
