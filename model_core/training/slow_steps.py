"""Words for a person who waits: what is being done, if it takes more than a moment."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

PATIENCE_S = 2.0
"""Seconds that a step may take before it is worth a line."""


@contextmanager
def if_slow(say: Callable[[str], None], doing: str) -> Iterator[None]:
    """Call `say` with what is being done if the block takes longer than PATIENCE_S.

    It is called from another thread, and not after the block has ended.
    """
    ended = threading.Event()
    one_at_a_time = threading.Lock()

    def tell() -> None:
        with one_at_a_time:
            if not ended.is_set():
                say(doing)

    timer = threading.Timer(PATIENCE_S, tell)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        with one_at_a_time:  # a line that is being said is said to its end
            ended.set()
