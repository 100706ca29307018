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
EXIT_BAD_SETTINGS = 2
_M_MMAP_THRESHOLD = -3
_OWN_MAPPING = 2**20
"""Bytes of memory from which on a block is a mapping of its own, and goes back to the
system when it is freed."""


class Server(uvicorn.Server):
    """Tells the application as soon as a signal comes: uvicorn itself waits for open streams, which never end alone."""

    def __init__(
        self, config: uvicorn.Config, room: WaitingRoom, on_stop: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._room = room
        self._on_stop = on_stop

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in (
            listener for server in self.servers for listener in server.sockets
        ):
            _give_up_on_silent_peers(listener.fileno())

    async def on_tick(self, counter: int) -> bool:
        """Ten times a second."""
        self._room.sweep()
        return await super().on_tick(counter)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
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


def _give_up_on_silent_peers(descriptor: int) -> None:
    """Limit how long the kernel keeps what a vanished or silent reader does not take; it drops the connection then.
    Accepted sockets take the limit from the listener. The kernel's own patience is a quarter of an hour."""
    if hasattr(socket, "TCP_USER_TIMEOUT"):
        with socket.socket(fileno=os.dup(descriptor)) as listener:
            if listener.family in (socket.AF_INET, socket.AF_INET6):
                listener.setsockopt(
                    socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _SILENCE_MS
                )


def server(settings: Settings) -> Server:
    """A server that is ready to run."""
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
    """True if the server says that it runs in cluster mode; if it does not answer yet, requests say it later."""
    with (
        suppress(RedisError),
        Redis.from_url(redis_url, socket_timeout=1, socket_connect_timeout=1) as client,
    ):
        return is_cluster(client.info("cluster"))  # type: ignore[arg-type]
    return False


def run(settings: Settings) -> None:
    """Serve until SIGINT or SIGTERM; open streams get their closing event."""
    return_large_blocks()
    logs.configure(
        quiet=("httpx",)
    )  # it tells whole addresses, and a webhook's may be a secret
    if _is_cluster(settings.redis_url):
        print(f"pixelrnn api: {CLUSTER}; see REDIS_URL", file=sys.stderr)
        sys.exit(EXIT_BAD_SETTINGS)
    server(settings).run()
