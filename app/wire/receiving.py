"""HTTP/1.1 by uvicorn, with limits: on the size of a request's head, how long a client
may take to send a request, how many clients may be sending at once, and how much memory
their requests may use. No other protocol that a client offers is accepted.

    HttpToolsProtocol (uvicorn)
        HttpProtocol        limits of size; ignores an offer to upgrade
            PromptProtocol  limits of time: its connections are in a WaitingRoom

A server without these limits can be blocked by a few clients that send nothing: each
occupies a file descriptor, and their number is limited.
"""

import asyncio
import contextlib
import json
import resource
import time
from collections import Counter, deque
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import (
    HeadTooLargeError,
    MalformedRequestError,
    RefusedError,
    TooSlowError,
    UnknownCodingError,
)
from app.problems import problem_of
from app.wire.cross_origin import CrossOrigin

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

MOST_HEAD_BYTES = 65536
"""Largest size of a request's head (request line and header fields), and of what frames
its body (chunk extensions and trailer fields)."""

MOST_FIELDS = 128
"""Largest number of header fields of a request, and of trailer fields."""

MOST_PIPELINED = 32
"""Requests of one connection that may wait for earlier ones, at most."""

_PIECE = 16384
"""Bytes that are parsed at once, before it is checked how many of them belong to no
body."""

_UPGRADE_FIELDS = (b"upgrade", b"http2-settings")
"""Header fields that offer another protocol."""


class WaitingRoom:
    """The connections whose request is still arriving, oldest first. Each has a limited
    time, and their number and memory are limited."""

    def __init__(self, receive_s: float, cross_origin: CrossOrigin) -> None:
        """receive_s: seconds in which a whole request must arrive.
        cross_origin: makes the CORS headers of refusals."""
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
        """Turn away all connections whose time is over."""
        # Time counts up to the last sweep: everything that arrived until then has
        # been read.
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


class HttpProtocol(HttpToolsProtocol):
    """Rejects requests that are too large or ambiguous, and ignores an offer to upgrade
    to another protocol, as a server may (RFC 9110, section 7.8).

    httptools stops after the head of a request that offers an upgrade, and uvicorn
    alone would lose its body. Java's HttpClient offers HTTP/2 with every request. So
    the head is parsed again without the offer, followed by the rest.
    """

    framing = 0
    """Bytes since the end of the latest body: those of a head, if one is arriving."""
    _fields = 0
    _is_in_head = False

    def refuse(self, error: RefusedError) -> None:
        """Send the error and close the connection. Implemented by a subclass."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; called by asyncio. A request is refused if it is
        malformed or its head exceeds MOST_HEAD_BYTES, and parsed again without its
        offer to upgrade."""
        self._unset_keepalive_if_required()
        rest = memoryview(data)
        while rest and not self.transport.is_closing():
            piece = rest[:_PIECE]
            rest = rest[_PIECE:]
            self.framing += len(piece)
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as upgrade:
                if not self._offers_upgrade():  # CONNECT, which was answered
                    return
                unparsed = piece[upgrade.args[0] :]
                parts = [self._head_without_upgrade(), unparsed, rest]
                rest = memoryview(b"".join(parts))
                self.parser = httptools.HttpRequestParser(self)
                # uvicorn makes its parsers in the same way.
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
            except httptools.HttpParserError as error:
                # A callback here raised a RefusedError, or the syntax is wrong.
                cause = error.__context__
                if not isinstance(cause, RefusedError):
                    cause = MalformedRequestError("expected HTTP/1.1")
                self.refuse(cause)
                return
            if self.framing > MOST_HEAD_BYTES:
                self.refuse(_too_large())
                return

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._fields = 0
        self._is_in_head = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count a field, and keep it if it belongs to the head. Trailer fields are
        ignored: the request was checked by its head."""
        self._fields += 1
        if self._fields > MOST_FIELDS:
            raise _too_large()
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self.framing = 0
        self._check_head()
        if not self._offers_upgrade():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.framing = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._fields = self.framing = 0
        if not self._offers_upgrade():
            super().on_message_complete()

    def head_bytes(self) -> int:
        """Return the length of the request's address and headers, as they were sent."""
        return len(self.url) + sum(
            len(name) + len(value) + 4 for name, value in self.headers
        )

    def _check_head(self) -> None:
        """Raise a RefusedError for a head that is too large, or that two programs could
        read differently."""
        if self.head_bytes() > MOST_HEAD_BYTES or len(self.pipeline) >= MOST_PIPELINED:
            raise _too_large()
        version = self.parser.get_http_version()
        if version not in ("1.0", "1.1"):
            raise MalformedRequestError("expected HTTP/1.1")
        names = Counter(name for name, _ in self.headers)
        # RFC 9112, section 3.2; HTTP/1.0 did without.
        if names[b"host"] > 1 or (version == "1.1" and not names[b"host"]):
            raise MalformedRequestError("expected one Host")
        if (
            names[b"transfer-encoding"]
            and dict(self.headers)[b"transfer-encoding"].strip().lower() != b"chunked"
        ):
            raise UnknownCodingError("expected Transfer-Encoding: chunked, or none")

    def _offers_upgrade(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_upgrade(self) -> bytes:
        """Return the latest head without the fields that offer another protocol."""
        method = self.parser.get_method()
        http_version = self.parser.get_http_version().encode()
        lines = [b"%s %s HTTP/%s" % (method, self.url, http_version)]
        for name, value in self.headers:
            if name == b"connection":
                value = b",".join(
                    word
                    for word in value.split(b",")
                    if word.strip().lower() not in _UPGRADE_FIELDS
                )
            if name not in _UPGRADE_FIELDS and value:
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])


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
        """Report the bytes of all heads to the room.

        arriving: those of the head that is not complete.
        """
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
        uvicorn does this only for the latest one."""
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


def _too_large() -> HeadTooLargeError:
    return HeadTooLargeError(
        f"expected at most {MOST_HEAD_BYTES // 1024} KiB and {MOST_FIELDS} fields "
        f"around a request's body, and at most {MOST_PIPELINED} requests that wait for "
        "another"
    )
