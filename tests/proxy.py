"""A proxy before Redis: what passes through it may get lost, or come late."""

import asyncio
import contextlib
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum

_CHUNK = 65536


class Mishap(Enum):
    REPLY_LOST = "reply lost"
    """The command is carried out; instead of the answer the connection ends."""
    REPLY_LATE = "reply late"
    """The command is carried out at once, and answered later."""
    COMMAND_LATE = "command late"
    """The command is carried out later, also when its sender has left."""


@dataclass
class Trouble:
    """For the next `times` commands that contain `word`."""

    mishap: Mishap
    word: bytes
    seconds: float = 0.0
    """How late it comes."""
    times: int = 1
    met: asyncio.Event = field(default_factory=asyncio.Event)
    """It has come to pass at least once."""


class Proxy:
    """Between clients and the server on the unix socket `target`. Of one event loop."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._troubles: list[Trouble] = []
        self._links: set[asyncio.Task[None]] = set()

    async def listen_tcp(self) -> int:
        """On a free port of this machine, which is returned."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        return self._server.sockets[0].getsockname()[1]

    async def listen(self, path: str) -> None:
        """On a unix socket."""
        self._server = await asyncio.start_unix_server(self._accept, path)

    def expect(self, trouble: Trouble) -> Trouble:
        """From now on."""
        self._troubles.append(trouble)
        return trouble

    def drop(self, trouble: Trouble) -> None:
        """No longer."""
        with contextlib.suppress(ValueError):
            self._troubles.remove(trouble)

    def cut(self) -> None:
        """End all connections."""
        for link in self._links:
            link.cancel()

    async def close(self) -> None:
        self._server.close()
        self.cut()
        await asyncio.gather(*self._links, return_exceptions=True)

    async def _accept(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._links.add(task)
        writers, ways = [writer], []
        try:
            answers, commands = await asyncio.open_unix_connection(self._target)
            writers.append(commands)
            link = _Link(self)
            ways = [
                asyncio.create_task(link.commands(reader, commands)),
                asyncio.create_task(link.answers(answers, writer)),
            ]
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        except (
            OSError,
            asyncio.CancelledError,
        ):  # the server is away; or we cut the connection
            return
        finally:
            self._links.discard(task)
            for way in ways:
                way.cancel()
            for each in writers:
                each.close()

    def meets(self, command: bytes) -> Trouble | None:
        """The trouble that this command gets into."""
        for trouble in self._troubles:
            if trouble.word in command:
                trouble.times -= 1
                if trouble.times <= 0:
                    self._troubles.remove(trouble)
                trouble.met.set()
                return trouble
        return None


class _Link:
    """One connection, on which a command comes after the answer to the one before."""

    def __init__(self, proxy: Proxy) -> None:
        self._proxy = proxy
        self._trouble: Trouble | None = None

    async def commands(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK):
                trouble = self._trouble = self._proxy.meets(data)
                if trouble and trouble.mishap is Mishap.COMMAND_LATE:
                    await asyncio.sleep(trouble.seconds)
                sink.write(data)
                await sink.drain()

    async def answers(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(_CHUNK):
                trouble, self._trouble = self._trouble, None
                if trouble and trouble.mishap is Mishap.REPLY_LOST:
                    return
                if trouble and trouble.mishap is Mishap.REPLY_LATE:
                    await asyncio.sleep(trouble.seconds)
                sink.write(data)
                await sink.drain()


@contextlib.contextmanager
def losing_replies_to(
    command: bytes, path: str, target: str, times: int = 1000
) -> Iterator[None]:
    """A proxy on the unix socket `path`, in a thread of its own, that loses so many replies to `command`."""
    begun, end = threading.Event(), threading.Event()

    async def run() -> None:
        proxy = Proxy(target)
        proxy.expect(Trouble(Mishap.REPLY_LOST, command, times=times))
        await proxy.listen(path)
        begun.set()
        await asyncio.to_thread(end.wait)
        await proxy.close()

    thread = threading.Thread(target=asyncio.run, args=(run(),))
    thread.start()
    assert begun.wait(60)
    try:
        yield
    finally:
        end.set()
        thread.join(60)
