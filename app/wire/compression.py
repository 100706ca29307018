"""Text that is long enough goes out compressed, to whoever takes gzip. Pictures are compressed, streams never end."""

import gzip
import re

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_TYPES = frozenset(
    {"application/json", "application/problem+json", "text/html", "text/plain"}
)
_WORTH_IT = 2048
"""Bytes; less fills a packet or two, and is not sooner there when it is shorter."""
_NO_GZIP = re.compile(r"gzip\s*;\s*q=0(\.0*)?\s*(,|$)")


def takes_gzip(accept_encoding: str) -> bool:
    return "gzip" in accept_encoding and not _NO_GZIP.search(accept_encoding)


class Compression:
    """ASGI middleware."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            send = _Packer(
                takes_gzip(Headers(scope=scope).get("accept-encoding", "")), send
            ).send
        await self._app(scope, receive, send)


class _Packer:
    """One answer on its way out. Its headers wait for its body, which comes in one piece."""

    def __init__(self, may_pack: bool, send: Send) -> None:
        self._may_pack = may_pack
        self._send = send
        self._start: Message | None = None

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and _is_text(
            MutableHeaders(scope=message)
        ):
            self._start = message
            return
        if self._start is not None:
            headers = MutableHeaders(scope=self._start)
            headers.add_vary_header("Accept-Encoding")
            if (
                self._may_pack
                and len(message["body"]) >= _WORTH_IT
                and not message.get("more_body")
            ):
                message = {**message, "body": gzip.compress(message["body"], mtime=0)}
                headers["Content-Encoding"] = "gzip"
                headers["Content-Length"] = str(len(message["body"]))
            await self._send(self._start)
            self._start = None
        await self._send(message)


def _is_text(headers: Headers) -> bool:
    """Such as may be packed. A strong tag stands for these very bytes."""
    kind = headers.get("content-type", "").partition(";")[0]
    return (
        kind in _TYPES
        and "content-encoding" not in headers
        and not headers.get("etag", "").startswith('"')
    )
