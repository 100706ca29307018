"""Ctrl-C and SIGTERM as a flag that the loop reads, so that nothing is interrupted in
the middle."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


class StopRequest:
    """A request of the user or the system to end the run."""

    def __init__(self) -> None:
        self.is_made = False


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """Within the context, turn the first SIGINT or SIGTERM into a request. A second one
    has the effect that it had before the context."""
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
