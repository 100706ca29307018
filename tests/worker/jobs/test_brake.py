"""A training stops while others draw: all its processes, in the middle of whatever they do."""

import errno
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from redis import Redis

from tests.house.processes import is_stopped, started_children_of
from tests.worker.harness import wait_for
from worker.contract import keys
from worker.jobs import brake
from worker.jobs.brake import Brake
from worker.process.group import end_group

BUSY = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
while True:
    pass
"""


class Training:
    """A process that never pauses, another one of its group, and the thread that holds
    them."""

    def __init__(self, redis_url: str) -> None:
        self.process = subprocess.Popen([sys.executable, "-c", BUSY], process_group=0)
        pid = self.process.pid
        others = wait_for(lambda: started_children_of(pid), "the other process")
        self._members = [pid, *others]
        self.is_over = False
        self._thread = threading.Thread(
            target=Brake(redis_url).hold,
            args=(self.process, lambda: self.is_over),
            daemon=True,
        )
        self._thread.start()

    def is_stopped(self) -> bool:
        return all(map(is_stopped, self._members))

    def goes_on(self) -> bool:
        return not any(map(is_stopped, self._members))

    def end(self) -> None:
        end_group(self.process)
        self._thread.join(30)


@pytest.fixture
def redis(redis_url: str) -> Iterator[Redis]:
    with Redis.from_url(redis_url) as there:
        yield there


@pytest.fixture
def training(redis_url: str) -> Iterator[Training]:
    there = Training(redis_url)
    yield there
    there.end()


def listening(redis: Redis) -> bool:
    return dict(redis.pubsub_numsub(keys.WORK_CHANNEL))[keys.WORK_CHANNEL.encode()] == 1


def test_it_stops_when_a_job_comes_and_goes_on_after_it(
    redis: Redis, training: Training
) -> None:
    """The word alone stops it, which comes before any worker has the job; the books still know of none."""
    wait_for(lambda: listening(redis), "a listener")
    redis.publish(keys.WORK_CHANNEL, "job")
    wait_for(training.is_stopped, "its stop")
    wait_for(training.goes_on, "its going on")


def test_it_stops_for_a_job_that_it_was_not_told_of(
    redis: Redis, training: Training
) -> None:
    """An API of an earlier version says nothing."""
    redis.hset(keys.LOAD, "work", 1)
    wait_for(training.is_stopped, "its stop")
    redis.hset(keys.LOAD, "work", 0)
    wait_for(training.goes_on, "its going on")


def test_drawing_that_never_pauses_leaves_it_turns(
    redis: Redis, training: Training
) -> None:
    """Else it would never end."""
    redis.hset(keys.LOAD, "work", 1)
    for _ in range(3):
        wait_for(training.is_stopped, "its stop")
        wait_for(training.goes_on, "its turn")


def test_one_that_is_to_end_is_not_left_stopped(
    redis: Redis, training: Training
) -> None:
    """It writes a checkpoint, or publishes what it has."""
    redis.hset(keys.LOAD, "work", 1)
    wait_for(training.is_stopped, "its stop")
    training.is_over = True
    training._thread.join()
    assert training.goes_on()


def test_one_that_is_to_end_is_continued_at_once(
    redis: Redis, training: Training, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not wait for the end of the stop, which may be long while others draw."""
    monkeypatch.setattr(brake, "_PAUSE_RATIO", 1e6)
    redis.hset(keys.LOAD, "work", 1)
    wait_for(training.is_stopped, "its stop")
    training.is_over = True
    wait_for(training.goes_on, "its going on")


def test_it_goes_on_while_redis_is_away(redis: Redis, training: Training) -> None:
    """Nothing can be drawn then; and it hears of the next job when Redis is back."""
    wait_for(lambda: listening(redis), "a listener")
    redis.client_kill_filter(_type="pubsub")
    wait_for(lambda: listening(redis), "a listener again")
    redis.publish(keys.WORK_CHANNEL, "job")
    wait_for(training.is_stopped, "its stop")
    wait_for(training.goes_on, "its going on")


def test_it_goes_on_after_an_error_of_a_disk(redis: Redis, redis_url: str) -> None:
    """Whether it is to end is asked of a disk, which may be a share of a network."""
    redis.hset(keys.LOAD, "work", 1)
    process = subprocess.Popen([sys.executable, "-c", BUSY], process_group=0)

    def fail_while_stopped() -> bool:
        if is_stopped(process.pid):
            raise OSError(errno.ESTALE, "Stale file handle")
        return False

    try:
        with pytest.raises(OSError, match="Stale"):
            Brake(redis_url).hold(process, fail_while_stopped)
        wait_for(lambda: not is_stopped(process.pid), "its going on")
    finally:
        end_group(process)
