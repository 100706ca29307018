"""A thread of a worker: one turn after the other, until it is told to stop."""

import threading
from collections.abc import Callable

import structlog

AFTER_A_BUG_S = 1.0


class TurnThread:
    """Calls `turn()`, waits as many seconds as it returns unless it is hurried, and calls it again; None ends the
    thread. A turn that raises is logged, and costs what it was about."""

    def __init__(self, name: str, turn: Callable[[], float | None]) -> None:
        self._turn = turn
        self._stopped = False
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopped(self) -> bool:
        """Told to stop; a turn may be under way."""
        return self._stopped

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 0.0) -> None:
        """Stop after the turn that is under way, which is waited for no longer than this."""
        self._stopped = True
        self._woken.set()
        self.join(timeout_s)

    def hurry(self) -> None:
        """Begin the next turn now, or as soon as this one is over."""
        self._woken.set()

    def join(self, timeout_s: float) -> None:
        """Wait until it has ended by itself, or for so long."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        wait_s: float | None = 0.0
        while wait_s is not None and self._goes_on_after(wait_s):
            try:
                wait_s = self._turn()
            except (
                Exception
            ):  # the thread's edge: the next turn is about something else
                structlog.get_logger("worker").exception(
                    "turn_failed", thread=self._thread.name
                )
                wait_s = AFTER_A_BUG_S

    def _goes_on_after(self, seconds: float) -> bool:
        if seconds:
            self._woken.wait(seconds)
            self._woken.clear()
        return not self._stopped
