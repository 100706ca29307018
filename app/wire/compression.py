"""Compress long texts for clients that accept gzip. Pictures are compressed already,
and streams have no end."""

import gzip
import re
from functools import partial

from anyio.to_thread import run_sync
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TYPES = frozenset(
    {"application/json", "application/problem+json", "text/html", "text/plain"}
)
_WORTH_IT = 2048
"""Bytes. A shorter text fits into one or two packets, and compressing it would not make
it arrive sooner."""
_LONG = 2**16
"""Bytes. A longer text is compressed in a thread: a map of scores takes two tenths of a
second, in which this process could do nothing else."""
_NO_GZIP = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")


def takes_gzip(accept_encoding: str) -> bool:
    """Return True if an Accept-Encoding header lists `gzip` without `q=0`. The wildcard
    `*` does not count."""
    return "gzip" in accept_encoding and not _NO_GZIP.search(accept_encoding)


class Compression:
    """ASGI middleware that compresses long texts with gzip if the client accepts it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            accepted = Headers(scope=scope).get("accept-encoding", "")
            send = _Compressor(takes_gzip(accepted), send).send
        await self._app(scope, receive, send)


class _Compressor:
    """Sends one response, compressed if that is worthwhile. The headers are held back
    until the body is known."""

    def __init__(self, may_compress: bool, send: Send) -> None:
        self._may_compress = may_compress
        self._send = send
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        """Take a message of the application. A text of _WORTH_IT bytes or more that
        comes in one piece is compressed if the client accepts it. Streams and other
        types are sent as they are."""
        is_start = message["type"] == "http.response.start"
        if is_start and _is_text(MutableHeaders(scope=message)):
            self._start = message
            return
        if self._start is not None:
            headers = MutableHeaders(scope=self._start)
            headers.add_vary_header("Accept-Encoding")
            # A body in several pieces is a stream.
            is_whole = not message.get("more_body")
            is_long = len(message["body"]) >= _WORTH_IT
            if self._may_compress and is_whole and is_long:
                message = {**message, "body": await _packed(message["body"])}
                headers["Content-Encoding"] = "gzip"
                headers["Content-Length"] = str(len(message["body"]))
            await self._send(self._start)
            self._start = None
        await self._send(message)


async def _packed(text: bytes) -> bytes:
    """Return a text compressed with gzip."""
    compress = partial(gzip.compress, text, mtime=0)
    return compress() if len(text) < _LONG else await run_sync(compress)


def _is_text(headers: Headers) -> bool:
    """Return True if the response may be compressed: a text without another encoding. A
    strong ETag stands for the exact bytes, so such a response must not change."""
    kind = headers.get("content-type", "").partition(";")[0]
    return (
        kind in _TYPES
        and "content-encoding" not in headers
        and not headers.get("etag", "").startswith('"')
    )
