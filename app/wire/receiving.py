"""Limits on how long a client may take to send a request, how many clients may be
sending at once, and how much memory their requests may use.

A server without these limits can be blocked by a few clients that send nothing: each
occupies a file descriptor, and their number is limited.
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
"""Seconds from the connection, or from the first byte of a later request, to the end of
its head."""

LINGER_S = 1.0
"""Seconds for which a refused client may go on sending. If the connection were closed
at once, the client would see a broken connection and not the reason."""
MOST_UNREAD_BYTES = 2**20
"""Bytes that a refused client may go on sending; they are discarded."""

MOST_HEADS_BYTES = 16 * 2**20
"""Largest size of the heads of all requests that are arriving or being answered."""

MOST_WAITING = 1024
"""Connections whose request is arriving, at most."""
MOST_DESCRIPTORS = 65536
"""File descriptors that this process wants, if the system has no limit."""
PART_OF_DESCRIPTORS = 4
"""At most one in this many descriptors is for connections whose request is arriving."""

MOST_TICK_S = 0.2
"""Longest time between two sweeps that counts for the clients. If more has passed, this
process stood still, which is not their fault."""


_UNSENT_BYTES = {"high": 16384, "low": 12288}
"""Bytes of a response that wait in this process for a slow client. Above "high" the
application pauses, until they are below "low"."""


class WaitingRoom:
    """The connections whose request is still arriving, oldest first. Each has a limited
    time, and their number and memory are limited."""

    def __init__(self, receive_s: float, cross_origin: CrossOrigin) -> None:
        """receive_s: seconds in which a whole request must arrive."""
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
        """Start the time of a connection, unless it is running already.

        If all places are taken, one connection is turned away: the oldest one whose
        head has not arrived, or the oldest of all if there is none. A client whose head
        was accepted may be sending a picture slowly.
        """
        if connection in self._waiting:
            return
        if len(self._waiting) >= self._places:
            oldest = next(iter(self._waiting))
            headless = (each for each in self._waiting if not each.has_headers)
            next(headless, oldest).turn_away()
        self._waiting[connection] = self._clock

    def leave(self, connection: "PromptProtocol") -> None:
        """Stop the time of a connection."""
        self._waiting.pop(connection, None)

    def hold(self, connection: "PromptProtocol", head_bytes: int) -> None:
        """Record how many bytes of heads a connection keeps. If all connections
        together keep too many, those with the largest are refused."""
        self._heads_bytes += head_bytes - self._heads.pop(connection, 0)
        if head_bytes:
            self._heads[connection] = head_bytes
        while self._heads_bytes > MOST_HEADS_BYTES:
            largest = max(self._heads, key=self._heads.__getitem__)
            largest.refuse(
                HeadTooLargeError(
                    "expected smaller headers: those of all requests are too large "
                    "together"
                )
            )

    def sweep(self) -> None:
        """Turn away all connections whose time is over. Time counts up to the last
        sweep, because everything that arrived until then has been read since."""
        for connection, since in list(self._waiting.items()):
            if self._clock - since > self._limit_s(connection):
                connection.turn_away()
        now = time.monotonic()
        self._clock += min(now - self._swept_at, MOST_TICK_S)
        self._swept_at = now

    def _limit_s(self, connection: "PromptProtocol") -> float:
        """Return the seconds that a connection may stay."""
        if connection.is_refused:
            return LINGER_S
        return self._receive_s if connection.has_headers else HEADERS_S


class PromptProtocol(HttpProtocol):
    """The HTTP protocol whose connections are in a WaitingRoom while their request
    arrives."""

    cycle: Any  # uvicorn's object for the latest request and its response
    transport: asyncio.Transport
    is_refused = False
    """True after `refuse`: further bytes are discarded."""

    def __init__(self, room: WaitingRoom, **uvicorn_arguments: Any) -> None:
        super().__init__(**uvicorn_arguments)
        self._room = room
        self._open: deque[tuple[Any, int]] = deque()
        """Requests without a complete response, as `cycle`, oldest first, and the
        bytes of their heads."""
        self._discarded = 0
        """Bytes discarded since `refuse`."""

    @property
    def has_headers(self) -> bool:
        """True if the latest request's head has arrived and its body has not."""
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
            self._discard(data)
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
        if not self._offers_upgrade():
            self._open.append((self.cycle, self.head_bytes()))

    def on_response_complete(self) -> None:
        self._open.popleft()
        self._hold(0)
        super().on_response_complete()

    def _hold(self, arriving: int) -> None:
        """Report the bytes of all heads to the room. arriving: those of the head that
        is not complete."""
        self._room.hold(self, arriving + sum(size for _, size in self._open))

    def _is_answering(self) -> bool:
        """Return True if a whole request has arrived and its response is not
        complete."""
        return (
            self.cycle is not None
            and not self.cycle.more_body
            and not self.cycle.response_complete
        )

    def connection_lost(self, exc: Exception | None) -> None:
        self._leave_room()
        self._end_requests()
        super().connection_lost(exc)

    def turn_away(self) -> None:
        """Close the connection because its time is over. Send a 408 first, unless a
        response has begun."""
        self._leave_room()
        if self.is_refused:
            self._hang_up()
            return
        if self._may_answer():
            self._answer(
                TooSlowError("the request did not arrive in time; send it again")
            )
        self.transport.close()

    def refuse(self, error: RefusedError) -> None:
        """Send the error, unless a response has begun, and close the connection when
        the client has received it."""
        self._leave_room()
        self.is_refused = True
        if not self._may_answer() or self.transport.is_closing():
            self._hang_up()
            return
        self._answer(error)
        self._end_requests()
        # Close only this direction, and read what the client still sends (LINGER_S).
        self.transport.write_eof()
        self.flow.resume_reading()
        self.headers = []
        self.url = b""
        self._room.enter(self)

    def shutdown(self) -> None:
        """End the connection because the server stops; called by uvicorn."""
        if self.is_refused:
            self._hang_up()
        else:
            super().shutdown()

    def _may_answer(self) -> bool:
        """Return True if a response sent now would be that of the arriving request."""
        return not self._open or (
            len(self._open) == 1
            and self.cycle.more_body
            and not self.cycle.response_started
        )

    def _hang_up(self) -> None:
        """Close the connection at once."""
        self._end_requests()
        self.transport.abort()

    def _end_requests(self) -> None:
        """Tell the application that the client of each open request has disconnected.
        uvicorn does this for the latest one only."""
        for cycle, _ in self._open:
            cycle.disconnected = True
            cycle.message_event.set()

    def _discard(self, data: bytes) -> None:
        self._discarded += len(data)
        if self._discarded > MOST_UNREAD_BYTES:
            self._hang_up()

    def _leave_room(self) -> None:
        self._room.leave(self)
        self._room.hold(self, 0)

    def _answer(self, error: RefusedError) -> None:
        headers = self._room.cross_origin.headers(self._origin())
        self.transport.write(_error_response(error, headers))

    def _origin(self) -> str | None:
        """Return the Origin header of the arriving request, if it has one."""
        if not self.has_headers:
            return None
        origin = dict(self.cycle.scope["headers"]).get(b"origin")
        return None if origin is None else origin.decode("latin-1")


def use_all_descriptors() -> int:
    """Raise this process's limit of file descriptors to the highest that is allowed,
    and return it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_DESCRIPTORS if hard == resource.RLIM_INFINITY else hard
    if wanted > soft != resource.RLIM_INFINITY:
        # A kernel may have another limit.
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    now = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return MOST_DESCRIPTORS if now == resource.RLIM_INFINITY else now


def _error_response(error: RefusedError, headers: Mapping[str, str]) -> bytes:
    """Return the bytes of an error response, written without the application."""
    problem = problem_of(error)
    body = json.dumps(problem.model_dump(exclude_none=True)).encode()
    all_headers = {
        "Content-Type": "application/problem+json",
        "Content-Length": str(len(body)),
        "Connection": "close",
        **headers,
    }
    lines = [f"HTTP/1.1 {problem.status} {HTTPStatus(problem.status).phrase}"]
    lines += [f"{name}: {value}" for name, value in all_headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body
