"""Signals to all processes of a training: none is left, whatever state they are in."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.house.processes import (
    eventually,
    is_alive,
    is_stopped,
    started_children_of,
)
from worker.process.group import end_group, signal_group

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="the processes are counted in Linux's /proc"
)
LEADER = """
import subprocess, sys, time
sleep = [sys.executable, "-c", "import time; time.sleep(600)"]
for _ in range(2):
    subprocess.Popen(sleep)
if sys.argv[1:] == ["ends"]:
    print(flush=True)
    sys.stdin.read()
else:
    time.sleep(600)
"""


TRAINER = """
import subprocess, sys
subprocess.Popen([sys.executable, "-c", sys.argv[1]], process_group=0).wait()
"""
"""Starts the leader of a group, and waits for it."""
TIED = """
import os
from model_core.parent import die_with_parent, end_on_hangup
die_with_parent(os.getppid())
end_on_hangup()
"""


class Group:
    """A leader and two more processes."""

    def __init__(self, *arguments: str) -> None:
        self.leader = subprocess.Popen(
            [sys.executable, "-c", LEADER, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,
        )
        assert eventually(lambda: len(started_children_of(self.leader.pid)) == 2)
        self.others = started_children_of(self.leader.pid)

    def are_stopped(self) -> bool:
        return all(map(is_stopped, [self.leader.pid, *self.others]))

    def run(self) -> bool:
        return not any(map(is_stopped, [self.leader.pid, *self.others]))

    def is_gone(self) -> bool:
        return not any(map(is_alive, [self.leader.pid, *self.others]))

    def close(self) -> None:
        end_group(self.leader)
        for stream in (self.leader.stdin, self.leader.stdout):
            assert stream is not None
            stream.close()


@pytest.fixture
def group() -> Iterator[Group]:
    there = Group()
    yield there
    there.close()


def test_one_signal_reaches_all(group: Group) -> None:
    """They stop and go on together."""
    signal_group(group.leader, signal.SIGSTOP)
    assert eventually(group.are_stopped)
    signal_group(group.leader, signal.SIGCONT)
    assert eventually(group.run)


@pytest.mark.parametrize("is_stopped", [False, True], ids=["running", "stopped"])
def test_none_is_left_when_a_group_was_ended(group: Group, is_stopped: bool) -> None:
    """A second end, and signals to those that are gone, do nothing."""
    if is_stopped:
        signal_group(group.leader, signal.SIGSTOP)
        assert eventually(group.are_stopped)
    end_group(group.leader)
    assert group.is_gone()
    end_group(group.leader)
    signal_group(group.leader, signal.SIGSTOP)


def test_those_that_outlive_their_leader_are_ended() -> None:
    """The leader ended by itself, and was reaped."""
    group = Group("ends")
    assert group.leader.stdin is not None
    group.leader.stdin.close()
    group.leader.wait()
    assert all(map(is_alive, group.others))
    end_group(group.leader)
    assert group.is_gone()
    group.close()


@pytest.mark.parametrize("before", [[], ["nohup"]])
def test_a_stopped_process_that_is_not_tied_yet_does_not_outlive_the_trainer(
    before: list[str],
) -> None:
    """It was stopped before it could ask the kernel to be killed with its leader. A group
    without a parent outside it gets SIGHUP if it has stopped members, also if the trainer
    was started by nohup."""
    trainer = subprocess.Popen([*before, sys.executable, "-c", TRAINER, TIED + LEADER])
    try:
        assert eventually(lambda: len(started_children_of(trainer.pid)) == 1)
        (leader,) = started_children_of(trainer.pid)
        assert eventually(lambda: len(started_children_of(leader)) == 2)
        members = [leader, *started_children_of(leader)]
        os.killpg(leader, signal.SIGSTOP)
        assert eventually(lambda: all(map(is_stopped, members)))
    finally:
        trainer.kill()
        trainer.wait()
    assert eventually(lambda: not any(map(is_alive, members)))
