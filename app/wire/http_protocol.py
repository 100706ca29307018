"""HTTP/1.1 as this server speaks it: uvicorn's, within limits; nothing else is spoken, whatever a client offers."""

from collections import Counter

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.errors import (
    HeadTooLargeError,
    MalformedRequestError,
    RefusedError,
    UnknownCodingError,
)

MOST_HEAD_BYTES = 65536
"""Limit of a request's line and its fields together, and again of what frames its body: a chunk's extensions, the
fields behind it."""

MOST_FIELDS = 128
"""Limit of the fields in a request's head, and of those behind its body."""

MOST_PIPELINED = 32
"""Requests of one connection that may wait for those before them."""

_PIECE = 16384
"""Bytes that are read at once, before it is looked how many belong to no body."""

_OF_THE_OFFER = (b"upgrade", b"http2-settings")


class HttpProtocol(HttpToolsProtocol):
    """Refuses what is too large or ambiguous, and passes over an offer to speak another protocol, as a server may
    (RFC 9110, section 7.8).

    httptools stops behind the head of a request that makes an offer, and uvicorn alone would lose its body. Java's
    HttpClient offers HTTP/2 with every request. So the head is read again without the offer, and the rest behind it.
    """

    framing = 0
    """Bytes since the last one of a body: of a head, if one is arriving."""
    _fields = 0
    _is_in_head = False

    def refuse(self, error: RefusedError) -> None:
        """Say so and hang up."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        rest = memoryview(data)
        while rest and not self.transport.is_closing():
            piece, rest = rest[:_PIECE], rest[_PIECE:]
            self.framing += len(piece)
            try:
                self.parser.feed_data(piece)
            except httptools.HttpParserUpgrade as stopped:
                if not self._is_offered():  # CONNECT, which was answered
                    return
                rest = memoryview(
                    b"".join(
                        [self._head_without_offer(), piece[stopped.args[0] :], rest]
                    )
                )
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(
                    lenient_data_after_close=True
                )  # as uvicorn does
            except httptools.HttpParserError as error:
                told = error.__context__
                self.refuse(
                    told
                    if isinstance(told, RefusedError)
                    else MalformedRequestError("expected HTTP/1.1")
                )
                return
            if self.framing > MOST_HEAD_BYTES:
                self.refuse(_too_large())
                return

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._fields, self._is_in_head = 0, True

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count what comes behind a body, and keep none of it: its request has been judged by its head."""
        self._fields += 1
        if self._fields > MOST_FIELDS:
            raise _too_large()
        if self._is_in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        self._is_in_head, self.framing = False, 0
        self._judge_head()
        if not self._is_offered():
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self.framing = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._fields = self.framing = 0
        if not self._is_offered():
            super().on_message_complete()

    def head_bytes(self) -> int:
        """Length of the head that came last."""
        return len(self.url) + sum(
            len(name) + len(value) + 4 for name, value in self.headers
        )

    def _judge_head(self) -> None:
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

    def _is_offered(self) -> bool:
        return self.parser.should_upgrade() and self.parser.get_method() != b"CONNECT"

    def _head_without_offer(self) -> bytes:
        lines = [
            b"%s %s HTTP/%s"
            % (
                self.parser.get_method(),
                self.url,
                self.parser.get_http_version().encode(),
            )
        ]
        for name, value in self.headers:
            if name == b"connection":
                value = b",".join(
                    word
                    for word in value.split(b",")
                    if word.strip().lower() not in _OF_THE_OFFER
                )
            if name not in _OF_THE_OFFER and value:
                lines.append(b"%s: %s" % (name, value))
        return b"\r\n".join([*lines, b"", b""])


def _too_large() -> HeadTooLargeError:
    return HeadTooLargeError(
        f"expected at most {MOST_HEAD_BYTES // 1024} KiB and {MOST_FIELDS} fields around a request's body, and at most "
        f"{MOST_PIPELINED} requests that wait for another"
    )
