"""Ctrl-C and SIGTERM as a flag that the loop reads, so that nothing is interrupted in
the middle."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """A request of the user or the system to end the run; `stop_on_signals` yields one.

    is_made: False until a signal has come, then True.
    """

    def __init__(self) -> None:
        """Make a request that is not made yet."""
        self.is_made = False


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Context manager that yields a StopRequest, whose `is_made` the first SIGINT or
    SIGTERM of this process sets to True. A second signal has the effect that it had
    before the context. Use it in the main thread."""
    request = StopRequest()
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in signals}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def on_signal(_number: int, _frame: FrameType | None) -> None:
        request.is_made = True
        restore()

    for number in signals:
        signal.signal(number, on_signal)
    try:
        yield request
    finally:
        restore()
