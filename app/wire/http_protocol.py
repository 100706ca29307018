"""HTTP/1.1 by uvicorn, with limits, and without any other protocol that a client may
offer."""

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


class HttpProtocol(HttpToolsProtocol):
    """Rejects requests that are too large or ambiguous, and ignores an offer to upgrade
    to another protocol, as a server may (RFC 9110, section 7.8).

    httptools stops after the head of a request that offers an upgrade, and uvicorn
    alone would lose its body. Java's HttpClient offers HTTP/2 with every request. So
    the head is parsed again without the offer, followed by the rest.
    """

    framing = 0
    """Bytes since the end of the last body: those of a head, if one is arriving."""
    _fields = 0
    _is_in_head = False

    def refuse(self, error: RefusedError) -> None:
        """Send the error and close the connection. Implemented by a subclass."""
        raise NotImplementedError

    def data_received(self, data: bytes) -> None:
        """Parse received bytes; called by asyncio."""
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
        """Return the size in bytes of the latest head."""
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


def _too_large() -> HeadTooLargeError:
    return HeadTooLargeError(
        f"expected at most {MOST_HEAD_BYTES // 1024} KiB and {MOST_FIELDS} fields "
        f"around a request's body, and at most {MOST_PIPELINED} requests that wait for "
        "another"
    )
