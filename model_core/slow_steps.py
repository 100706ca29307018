"""Words for a person who waits: what is being done, if it takes more than a moment.

Loads neither torch nor NumPy, so that it is there while they are loaded.
"""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 1.5
"""Seconds that a step may take before it is worth a line. Nobody waits two seconds
without a word."""

REPEAT_S = 50.0
"""Seconds between two lines about a step that goes on: at least one a minute."""


@contextmanager
def if_slow(say: Callable[[str], None], doing: str) -> Iterator[None]:
    """Call `say` with what is being done if the block takes longer than PATIENCE_S.

    It is called again every REPEAT_S seconds, from another thread, and not after the
    block has ended.
    """
    is_first = True

    def line() -> str:
        nonlocal is_first
        words = doing if is_first else f"still {doing}"
        is_first = False
        return words

    with regularly(say, line, PATIENCE_S):
        yield


@contextmanager
def regularly(
    say: Callable[[str], None], line: Callable[[], str], first_s: float
) -> Iterator[None]:
    """Call `say` with `line()` after first_s seconds and then every REPEAT_S seconds.

    An empty line is not said. `say` is called from another thread, and not after the
    block has ended.
    """
    ended = threading.Event()
    one_at_a_time = threading.Lock()

    def tell() -> None:
        delay_s = first_s
        while not ended.wait(delay_s):
            delay_s = REPEAT_S
            with one_at_a_time:
                words = "" if ended.is_set() else line()
                if words:
                    say(words)

    thread = threading.Thread(target=tell, daemon=True)
    thread.start()
    try:
        yield
    finally:
        with one_at_a_time:  # a line that is being said is said to its end
            ended.set()
        thread.join()
