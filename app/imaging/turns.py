"""Limits how many threads read or make pictures at once. Clients that wait for a thread
take turns, however many requests of each are waiting."""

import asyncio
from collections import deque
from contextvars import ContextVar
from types import TracebackType

from anyio import CapacityLimiter

_account: ContextVar[str] = ContextVar("account", default="")


def set_account(account: str) -> None:
    """Say for which account the present task, and tasks that it starts, read and make
    pictures from now on."""
    _account.set(account)


class ImagingTurns(CapacityLimiter):
    """A limiter for `anyio.to_thread.run_sync`: only `places` threads work on pictures
    at once. Accounts that wait for a thread take turns, each with its oldest request
    first; an account that begins to wait comes last. `set_account` says for whom a task
    works.

    Use it only by `async with`, in one event loop: other methods of the base class do
    not work.
    """

    def __new__(cls, places: int) -> "ImagingTurns":
        # The base class would return an object of another class.
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
        """Give a thread that has become free to the next request that still waits."""
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
