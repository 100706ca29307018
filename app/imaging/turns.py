"""Limits how many threads read or make pictures at once. Clients that wait for a thread
take turns, however many requests of each are waiting."""

import asyncio
from collections import deque
from contextvars import ContextVar
from types import TracebackType

from anyio import CapacityLimiter

_account: ContextVar[str] = ContextVar("account", default="")


def set_account(account: str) -> None:
    """Count what the present task reads or makes from now on for this account, also in
    tasks that it starts."""
    _account.set(account)


class ImagingTurns(CapacityLimiter):
    """A limiter for `anyio.to_thread.run_sync`, which holds a place while a thread works
    on a picture. A place that becomes free goes to the waiting account that was given
    one longest ago, for the oldest of its requests; an account that begins to wait is
    behind all others. `set_account` says whose request a task serves. A request that is
    canceled while it waits leaves the line.

    It must be used only by `async with`, in one event loop: other methods of the base
    class do not work.
    """

    def __new__(cls, places: int) -> "ImagingTurns":
        """Return a new object: the base class would return one of its own."""
        return object.__new__(cls)

    def __init__(self, places: int) -> None:
        """places: number of threads at once, at least 1."""
        self._free = places
        self._lines: dict[str, deque[asyncio.Future[None]]] = {}
        """Account -> its waiting requests, oldest first. The first account is the next
        one."""

    async def __aenter__(self) -> None:
        if self._free:
            self._free -= 1
            return
        turn = asyncio.get_running_loop().create_future()
        self._lines.setdefault(_account.get(), deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            # The place may have been given to this request a moment ago.
            if not turn.cancelled():
                self._pass_on()
            raise

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self._pass_on()

    def _pass_on(self) -> None:
        """Give the place to the next request that still waits; without any it is
        free."""
        while self._lines:
            account = next(iter(self._lines))
            line = self._lines.pop(account)
            turn = line.popleft()
            if line:
                self._lines[account] = line  # behind all others
            if not turn.cancelled():
                turn.set_result(None)
                return
        self._free += 1
