"""A worker's threads: turns until they are told to stop, or have nothing more to do."""

import threading

from worker.process.turn_thread import TurnThread

PATIENCE_S = 20.0


def test_turns_follow_each_other_until_one_says_that_it_was_the_last() -> None:
    """None ends the thread; nobody has to stop it."""
    waits = [0.0, 0.0, None]
    loop = TurnThread("test", lambda: waits.pop(0))
    loop.start()
    loop.join(PATIENCE_S)
    assert waits == []
    assert not loop.stopped


def test_loop_ends_when_it_is_stopped_while_it_waits() -> None:
    """The time that a turn asked for is not waited for."""
    turned = threading.Event()

    def turn() -> float:
        turned.set()
        return 3600.0

    loop = TurnThread("test", turn)
    loop.start()
    assert turned.wait(PATIENCE_S)
    loop.stop(PATIENCE_S)
    assert loop.stopped
    assert "test" not in [thread.name for thread in threading.enumerate()]


def test_stop_returns_when_a_turn_does_not_end_in_time() -> None:
    """Whoever stops a process does not wait for a thread that hangs."""
    go_on, turned = threading.Event(), threading.Event()

    def turn() -> float:
        turned.set()
        go_on.wait(PATIENCE_S)
        return 0.0

    loop = TurnThread("test", turn)
    loop.start()
    assert turned.wait(PATIENCE_S)
    loop.stop()
    go_on.set()
    loop.join(PATIENCE_S)
    assert "test" not in [thread.name for thread in threading.enumerate()]
