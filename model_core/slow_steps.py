"""Messages for a waiting person about steps that take more than a moment.

This file imports neither torch nor NumPy, so that it can be used while they are
imported.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 1.5
"""Seconds that a step may take before a message about it appears: nobody should wait
two seconds without one."""

REPEAT_S = 50.0
"""Seconds between two messages about a step that continues: at least one a minute."""


@contextmanager
def if_slow(say: Callable[[str], None], doing: str) -> Iterator[None]:
    """Context manager that calls `say` with `doing` if the block takes longer than
    PATIENCE_S (1.5) seconds, and again every REPEAT_S (50) seconds. It is called from
    another thread, and never after the block has ended.

    say: prints a line for the user.
    doing: what is being done, such as `reading the pictures`.
    """
    is_first = True

    def line() -> str:
        nonlocal is_first
        text = doing if is_first else f"still {doing}"
        is_first = False
        return text

    with regularly(say, line, PATIENCE_S):
        yield


@contextmanager
def regularly(
    say: Callable[[str], None], line: Callable[[], str], first_s: float
) -> Iterator[None]:
    """Context manager that calls `say` with `line()` after `first_s` seconds and then
    every REPEAT_S (50) seconds. It is called from another thread, and never after the
    block has ended.

    say: prints a line for the user.
    line: returns the line; an empty one is not printed.
    """
    ended = threading.Event()
    one_at_a_time = threading.Lock()

    def report() -> None:
        delay_s = first_s
        while not ended.wait(delay_s):
            delay_s = REPEAT_S
            with one_at_a_time:
                text = "" if ended.is_set() else line()
                if text:
                    say(text)

    thread = threading.Thread(target=report, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with one_at_a_time:  # waits until a running call of `say` has returned
            ended.set()
        thread.join()
