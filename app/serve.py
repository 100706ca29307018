"""Run the API in this process until it is told to stop."""

import ctypes
import os
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType

import uvicorn
from redis import Redis
from redis.exceptions import RedisError

from app.main import create_app
from app.settings import Settings
from app.wire.cross_origin import CrossOrigin
from app.wire.receiving import PromptProtocol, WaitingRoom
from worker.contract import logs
from worker.contract.durability import CLUSTER, is_cluster

_SILENCE_MS = 60_000
"""Milliseconds after which the kernel drops a connection whose client takes nothing."""
EXIT_BAD_SETTINGS = 2
_M_MMAP_THRESHOLD = -3
_OWN_MAPPING = 2**20
"""Bytes from which on a block of memory is a mapping of its own, which the system gets
back when it is freed."""


class Server(uvicorn.Server):
    """A server that tells the application of a stop as soon as the signal arrives.
    uvicorn alone waits for open streams, which would not end."""

    def __init__(
        self, config: uvicorn.Config, room: WaitingRoom, on_stop: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._room = room
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Start listening, with a timeout for clients that vanish without closing."""
        await super().startup(sockets)
        for server in self.servers:
            for listener in server.sockets:
                _limit_silence(listener.fileno())

    async def on_tick(self, counter: int) -> bool:
        """Turn away connections whose time is over; uvicorn calls this ten times a
        second."""
        self._room.sweep()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal that ends the server, and call `on_stop`."""
        super().handle_exit(sig, frame)
        self._on_stop()


def return_large_blocks() -> None:
    """Tell the C library to return large blocks of memory to the system when they are
    freed. glibc's mallopt; elsewhere nothing happens.

    By default the bound grows with the blocks that are freed, up to 32 MiB: the pixels
    of a large picture then lie among small blocks, and their memory is never returned.
    """
    if sys.platform.startswith("linux"):
        mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
        if mallopt is not None:
            mallopt(_M_MMAP_THRESHOLD, _OWN_MAPPING)


def _limit_silence(descriptor: int) -> None:
    """Let the kernel drop a connection whose client takes nothing for _SILENCE_MS.

    By default it waits for a quarter of an hour. Accepted sockets inherit the limit
    from the listening one.

    descriptor: of that socket.
    """
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with socket.socket(fileno=os.dup(descriptor)) as listener:
            if listener.family in (socket.AF_INET, socket.AF_INET6):
                listener.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_MS
                )


def server(settings: Settings) -> Server:
    """Return a server that is ready to run."""
    app = create_app(settings)
    room = WaitingRoom(settings.receive_s, CrossOrigin(settings.origins))
    config = uvicorn.Config(
        app,
        host=settings.host,
        port=settings.port,
        http=partial(PromptProtocol, room),  # type: ignore[arg-type]
        ws="none",
        forwarded_allow_ips=list(settings.proxies),
        access_log=False,
        log_config=None,
        server_header=False,
        timeout_keep_alive=15,
        timeout_graceful_shutdown=settings.drain_s,
    )
    return Server(config, room, app.state.services.stopping.begin)


def _is_cluster(redis_url: str) -> bool:
    """Return True if Redis reports that it runs in cluster mode; False if it does not
    respond yet, in which case requests report it later."""
    with (
        suppress(RedisError),
        Redis.from_url(redis_url, socket_timeout=1, socket_connect_timeout=1) as client,
    ):
        return is_cluster(client.info("cluster"))  # type: ignore[arg-type]
    return False


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; open streams then get their closing event."""
    return_large_blocks()
    logs.configure(
        quiet=("httpx",)
    )  # it tells whole addresses, and a webhook's may be a secret
    if _is_cluster(settings.redis_url):
        print(f"pixelrnn api: {CLUSTER}; see REDIS_URL", file=sys.stderr)
        sys.exit(EXIT_BAD_SETTINGS)
    server(settings).run()
