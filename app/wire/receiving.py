"""How long a client may take to send a request, how many may be at it at once, and how much they may leave here.

A server that reads as slowly as it is written to can be held up by a few clients who send nothing: each has a
descriptor, and there are only so many of those.
"""

import asyncio
import contextlib
import json
import resource
import time
from collections import deque
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from app.errors import HeadTooLargeError, RefusedError, TooSlowError
from app.problems import problem_of
from app.wire.cross_origin import CrossOrigin
from app.wire.http_protocol import HttpProtocol

HEADERS_S = 10.0
"""Seconds from the connection, or from the first byte of a later request, to the end of its headers."""

LINGER_S = 1.0
MOST_UNREAD_BYTES = 2**20
"""How long, and how much, what a client still sends is thrown away after it was refused. It would else hear of a broken
connection, and not why."""

MOST_HEADS_BYTES = 16 * 2**20
"""Limit for the heads of all requests that arrive or are being answered."""

MOST_WAITING = 1024
MOST_DESCRIPTORS = 65536
PART_OF_DESCRIPTORS = 4
"""No more than one in so many of this process's descriptors."""

MOST_TICK_S = 0.2
"""A longer time between two sweeps is one in which this process stood still, and no client's fault."""


_UNSENT_BYTES = {"high": 16384, "low": 12288}
"""How much waits here for a reader who takes slowly: above one nothing is made for it, until it is below the other."""


class WaitingRoom:
    """The connections whose request is not there yet, oldest first. receive_s: how long all of one may take."""

    def __init__(self, receive_s: float, cross_origin: CrossOrigin) -> None:
        self.cross_origin = cross_origin
        self._receive_s = receive_s
        self._places = min(MOST_WAITING, use_all_descriptors() // PART_OF_DESCRIPTORS)
        self._waiting: dict[PromptProtocol, float] = {}
        self._heads: dict[PromptProtocol, int] = {}
        self._heads_bytes = 0
        self._clock = 0.0
        self._swept_at = time.monotonic()

    def __len__(self) -> int:
        return len(self._waiting)

    def enter(self, connection: "PromptProtocol") -> None:
        """It waits from now on, unless it does already. Where all places are taken, the oldest has to leave that has
        sent no headers, or if there is none, the oldest of all: who was let in may be sending a picture slowly."""
        if connection in self._waiting:
            return
        if len(self._waiting) >= self._places:
            oldest = next(iter(self._waiting))
            next(
                (each for each in self._waiting if not each.has_headers), oldest
            ).turn_away()
        self._waiting[connection] = self._clock

    def leave(self, connection: "PromptProtocol") -> None:
        self._waiting.pop(connection, None)

    def hold(self, connection: "PromptProtocol", head_bytes: int) -> None:
        """Note how much is kept of a connection's heads. If it is too much for all together, the largest have to
        leave."""
        self._heads_bytes += head_bytes - self._heads.pop(connection, 0)
        if head_bytes:
            self._heads[connection] = head_bytes
        while self._heads_bytes > MOST_HEADS_BYTES:
            largest = max(self._heads, key=self._heads.__getitem__)
            largest.refuse(
                HeadTooLargeError(
                    "expected smaller headers: those of all requests are too large together"
                )
            )

    def sweep(self) -> None:
        """Turn those away that have had their time, up to the last sweep: what came until then has been read since."""
        for connection, since in list(self._waiting.items()):
            if self._clock - since > self._limit_s(connection):
                connection.turn_away()
        now = time.monotonic()
        self._clock += min(now - self._swept_at, MOST_TICK_S)
        self._swept_at = now

    def _limit_s(self, connection: "PromptProtocol") -> float:
        if connection.is_refused:
            return LINGER_S
        return self._receive_s if connection.has_headers else HEADERS_S


class PromptProtocol(HttpProtocol):
    """One whose connections wait in a room until their request is there."""

    cycle: Any  # of both of uvicorn's protocols: the request that came last, and its answer
    transport: asyncio.Transport
    is_refused = False

    def __init__(self, room: WaitingRoom, **of_uvicorn: Any) -> None:
        super().__init__(**of_uvicorn)
        self._room = room
        self._open: deque[tuple[Any, int]] = deque()
        """Requests that are not answered yet, as `cycle`, oldest first, and the sizes of their heads."""
        self._unread = 0

    @property
    def has_headers(self) -> bool:
        """True if the headers are there and the body is still to come."""
        return (
            self.cycle is not None
            and self.cycle.more_body
            and not self.cycle.response_complete
        )

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)  # type: ignore[arg-type]
        self.transport.set_write_buffer_limits(**_UNSENT_BYTES)
        self._room.enter(self)

    def data_received(self, data: bytes) -> None:
        if self.is_refused:
            self._throw_away(data)
            return
        self._room.enter(self)
        super().data_received(data)
        if not self.is_refused:
            self._hold(self.framing if self._is_in_head else 0)
        if not self.is_refused and (
            self._is_answering() or self.transport.is_closing()
        ):
            self._room.leave(self)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        if not self._is_offered():
            self._open.append((self.cycle, self.head_bytes()))

    def on_response_complete(self) -> None:
        self._open.popleft()
        self._hold(0)
        super().on_response_complete()

    def _hold(self, arriving: int) -> None:
        self._room.hold(self, arriving + sum(size for _, size in self._open))

    def _is_answering(self) -> bool:
        """Is a whole request there, and its answer under way?"""
        return (
            self.cycle is not None
            and not self.cycle.more_body
            and not self.cycle.response_complete
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget()
        self._end_requests()
        super().connection_lost(exc)

    def turn_away(self) -> None:
        """Its time is over: say so, where no answer has begun, and hang up."""
        self._forget()
        if self.is_refused:
            self._hang_up()
            return
        if self._may_answer():
            self._answer(
                TooSlowError("the request did not arrive in time; send it again")
            )
        self.transport.close()

    def refuse(self, error: RefusedError) -> None:
        """Say why, where no answer has begun, and hang up as soon as that was heard."""
        self._forget()
        self.is_refused = True
        if not self._may_answer() or self.transport.is_closing():
            self._hang_up()
            return
        self._answer(error)
        self._end_requests()
        self.transport.write_eof()
        self.flow.resume_reading()
        self.headers, self.url = [], b""
        self._room.enter(self)

    def shutdown(self) -> None:
        if self.is_refused:
            self._hang_up()
        else:
            super().shutdown()

    def _may_answer(self) -> bool:
        """Does an answer belong to the request that is arriving?"""
        return not self._open or (
            len(self._open) == 1
            and self.cycle.more_body
            and not self.cycle.response_started
        )

    def _hang_up(self) -> None:
        self._end_requests()
        self.transport.abort()

    def _end_requests(self) -> None:
        """Nobody will hear their answers. uvicorn tells only the one that came last."""
        for cycle, _ in self._open:
            cycle.disconnected = True
            cycle.message_event.set()

    def _throw_away(self, data: bytes) -> None:
        self._unread += len(data)
        if self._unread > MOST_UNREAD_BYTES:
            self._hang_up()

    def _forget(self) -> None:
        self._room.leave(self)
        self._room.hold(self, 0)

    def _answer(self, error: RefusedError) -> None:
        self.transport.write(
            _answer(error, self._room.cross_origin.headers(self._origin()))
        )

    def _origin(self) -> str | None:
        """Origin of the page that sends the request, if it has named one."""
        found = (
            dict(self.cycle.scope["headers"]).get(b"origin")
            if self.has_headers
            else None
        )
        return None if found is None else found.decode("latin-1")


def use_all_descriptors() -> int:
    """Raise this process's limit to what it may be; returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if wanted > soft != resource.RLIM_INFINITY:
        with contextlib.suppress(
            ValueError, OSError
        ):  # a kernel may have a limit of its own
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    now = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_DESCRIPTORS if now == resource.RLIM_INFINITY else now


def _answer(error: RefusedError, headers: Mapping[str, str]) -> bytes:
    problem = problem_of(error)
    body = json.dumps(problem.model_dump(exclude_none=True)).encode()
    said = {
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in said.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
