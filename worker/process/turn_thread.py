"""A thread that calls one function again and again until it is stopped."""

import threading
from collections.abc import Callable

import structlog

AFTER_A_BUG_S = 1.0
"""Seconds to wait after a call that raised an error."""


class TurnThread:
    """A daemon thread that calls `turn()`, waits for as many seconds as it returned,
    and calls it again; None ends the thread. An error of `turn` is logged; the next
    call follows after AFTER_A_BUG_S seconds."""

    def __init__(self, name: str, turn: Callable[[], float | None]) -> None:
        self._turn = turn
        self._stopped = False
        self._woken = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    @property
    def stopped(self) -> bool:
        """True once the thread was asked to stop; a call may still be running."""
        return self._stopped

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 0.0) -> None:
        """Ask the thread to end after the current call, and wait up to `timeout_s`
        seconds for that."""
        self._stopped = True
        self._woken.set()
        self.join(timeout_s)

    def hurry(self) -> None:
        """Make the next call as soon as the current one returns, without waiting in
        between."""
        self._woken.set()

    def join(self, timeout_s: float) -> None:
        self._thread.join(timeout_s)

    def _run(self) -> None:
        wait_s: float | None = 0.0
        while wait_s is not None and self._goes_on_after(wait_s):
            try:
                wait_s = self._turn()
            except Exception:
                # The next call is about something else, so one error does not end it.
                structlog.get_logger("worker").exception(
                    "turn_failed", thread=self._thread.name
                )
                wait_s = AFTER_A_BUG_S

    def _goes_on_after(self, seconds: float) -> bool:
        if seconds:
            self._woken.wait(seconds)
            self._woken.clear()
        return not self._stopped
