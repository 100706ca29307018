"""The news that this process was told to stop, for whoever would otherwise keep a connection open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Stopping:
    """Set once, from a signal handler or another thread; awaited by whoever ends open streams and long polls.

    drain_s: how long requests may go on from then.
    """

    def __init__(self, drain_s: float) -> None:
        self._drain_s = drain_s
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends_at: float | None = None
        self._open: set[asyncio.Timeout] = set()

    def attach(self) -> None:
        """Remember the running loop, so that `begin` can wake it from outside."""
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        if self._loop is None or self._loop.is_closed():
            self._event.set()
        else:
            self._loop.call_soon_threadsafe(
                self._begin, self._loop.time() + self._drain_s
            )

    def _begin(self, ends_at: float) -> None:
        self._event.set()
        if self._ends_at is None:
            self._ends_at = ends_at
            for timeout in self._open:
                timeout.reschedule(ends_at)

    @property
    def has_begun(self) -> bool:
        return self._event.is_set()

    async def wait(self) -> None:
        await self._event.wait()

    @contextlib.asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Do it as long as this process may; TimeoutError when it stops before."""
        async with asyncio.timeout_at(self._ends_at) as timeout:
            self._open.add(timeout)
            try:
                yield
            finally:
                self._open.discard(timeout)
