"""The signal that this process is stopping, for code that would otherwise keep a
connection open."""

import asyncio
import contextlib
from collections.abc import AsyncIterator


class Stopping:
    """The stop of this process. It is set once, from a signal handler or another
    thread; open streams and long polls wait for it and end."""

    def __init__(self, drain_s: float) -> None:
        """drain_s: seconds for which requests may continue after `begin`."""
        self._drain_s = drain_s
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._ends_at: float | None = None
        self._open: set[asyncio.Timeout] = set()

    def attach(self) -> None:
        """Remember the running event loop, so that `begin` can wake it from outside."""
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        """Set the signal. May be called from any thread."""
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
        """True after `begin`."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Wait until `begin` was called."""
        await self._event.wait()

    @contextlib.asynccontextmanager
    async def in_time(self) -> AsyncIterator[None]:
        """Run the block while this process may answer requests. Raise TimeoutError in
        it if it has not ended `drain_s` after `begin`."""
        async with asyncio.timeout_at(self._ends_at) as timeout:
            self._open.add(timeout)
            try:
                yield
            finally:
                self._open.discard(timeout)
