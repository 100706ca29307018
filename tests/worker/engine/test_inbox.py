"""What the engine's thread is asked for, from both sides."""

import threading
import time
from multiprocessing import Pipe

from worker.engine.inbox import Inbox


def test_messages_of_both_sides_come() -> None:
    """Each once, those of one side in their order; and nothing when there is none."""
    ours, theirs = Pipe()
    inbox = Inbox(ours)
    assert inbox.next() is None
    theirs.send(("submit", 1))
    inbox.put("compiled", "m")
    theirs.send(("submit", 2))
    found = [inbox.next(1) for _ in range(3)]
    assert sorted(found, key=str) == [("compiled", "m"), ("submit", 1), ("submit", 2)]
    assert found.index(("submit", 1)) < found.index(("submit", 2))
    assert inbox.next() is None


def test_a_message_ends_the_wait() -> None:
    """Of a thread of the same process; without one the wait lasts as long as was asked."""
    inbox = Inbox()
    threading.Timer(0.05, inbox.put, ["stop"]).start()
    assert inbox.next(30) == ("stop",)
    began = time.monotonic()
    assert inbox.next(0.05) is None
    assert time.monotonic() - began > 0.04


def test_end_of_the_other_side_is_told() -> None:
    """After what it had said."""
    ours, theirs = Pipe()
    lost: list[str] = []
    inbox = Inbox(ours, lambda: lost.append("gone"))
    theirs.send(("submit", 1))
    theirs.close()
    assert inbox.next(1) == ("submit", 1)
    assert not lost
    assert inbox.next(1) is None
    assert lost == ["gone"]
