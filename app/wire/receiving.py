"""How long a client may take to send a request, and how many may be at it at once.

A server that reads as slowly as it is written to can be held up by a few clients who send nothing: each has a
descriptor, and there are only so many of those.
"""

import asyncio
import contextlib
import json
import resource
import time
from collections.abc import Mapping
from typing import Any

from app.errors import TooSlowError
from app.problems import problem_of
from app.wire.cross_origin import CrossOrigin
from app.wire.http_protocol import HttpProtocol

HEADERS_S = 10.0
"""From the connection, or from the first byte of a later request, to the end of its headers."""

MOST_WAITING = 1024
MOST_DESCRIPTORS = 65536
PART_OF_DESCRIPTORS = 4
"""No more than one in so many of this process's descriptors."""


class WaitingRoom:
    """The connections whose request is not there yet, oldest first. receive_s: how long all of one may take."""

    def __init__(self, receive_s: float, cross_origin: CrossOrigin) -> None:
        self.cross_origin = cross_origin
        self._receive_s = receive_s
        self._places = min(MOST_WAITING, use_all_descriptors() // PART_OF_DESCRIPTORS)
        self._waiting: dict[PromptProtocol, float] = {}

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, connection: "PromptProtocol") -> None:
        """It waits from now on, unless it does already. Where all places are taken, the oldest has to leave."""
        if connection in self._waiting:
            return
        if len(self._waiting) >= self._places:
            next(iter(self._waiting)).turn_away()
        self._waiting[connection] = time.monotonic()

    def leave(self, connection: "PromptProtocol") -> None:
        self._waiting.pop(connection, None)

    def sweep(self) -> None:
        """Turn those away that have had their time."""
        now = time.monotonic()
        for connection, since in list(self._waiting.items()):
            if now - since > (self._receive_s if connection.has_headers else HEADERS_S):
                connection.turn_away()


class PromptProtocol(HttpProtocol):
    """One whose connections wait in a room until their request is there."""

    cycle: Any  # of both of uvicorn's protocols: the request that came last, and its answer
    transport: asyncio.Transport

    def __init__(self, room: WaitingRoom, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._room = room

    @property
    def has_headers(self) -> bool:
        """Of a request whose body is still to come."""
        return self.cycle is not None and self.cycle.more_body and not self.cycle.response_complete

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self._room.enter(self)

    def data_received(self, data: bytes) -> None:
        self._room.enter(self)
        super().data_received(data)
        if self._is_answering() or self.transport.is_closing():
            self._room.leave(self)

    def _is_answering(self) -> bool:
        """Is a whole request there, and its answer under way?"""
        return self.cycle is not None and not self.cycle.more_body and not self.cycle.response_complete

    def connection_lost(self, exc: Exception | None) -> None:
        self._room.leave(self)
        super().connection_lost(exc)

    def turn_away(self) -> None:
        """Say why, where no answer has begun, and hang up."""
        self._room.leave(self)
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            self.transport.write(_answer(self._room.cross_origin.headers(self._origin())))
        self.transport.close()

    def _origin(self) -> str | None:
        """Of the page that sends the request, where it has said so."""
        found = dict(self.cycle.scope["headers"]).get(b"origin") if self.has_headers else None
        return None if found is None else found.decode("latin-1")


def use_all_descriptors() -> int:
    """Raise this process's limit to what it may be; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if wanted > soft != resource.RLIM_INFINITY:
        with contextlib.suppress(ValueError, OSError):  # a kernel may have a limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    now = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_DESCRIPTORS if now == resource.RLIM_INFINITY else now


def _answer(headers: Mapping[str, str]) -> bytes:
    problem = problem_of(TooSlowError("the request did not arrive in time; send it again"))
    body = json.dumps(problem.model_dump(exclude_none=True)).encode()
    head = (
        "HTTP/1.1 408 Request Timeout\r\nContent-Type: application/problem+json\r\n"
        f"Content-Length: {len(body)}\r\nConnection: close\r\n"
        + "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        + "\r\n"
    )
    return head.encode() + body
