"""The news that this process was told to stop, for whoever would otherwise keep a connection open."""

import asyncio


class Stopping:
    """Set once, from a signal handler or another thread; awaited by whoever ends open streams and long polls."""

    def __init__(self) -> None:
        self._event = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def attach(self) -> None:
        """Remember the running loop, so that `begin` can wake it from outside."""
        self._loop = asyncio.get_running_loop()

    def begin(self) -> None:
        if self._loop is None or self._loop.is_closed():
            self._event.set()
        else:
            self._loop.call_soon_threadsafe(self._event.set)

    async def wait(self) -> None:
        await self._event.wait()
