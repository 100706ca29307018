"""Limits the memory of large responses whose readers are slow.

A response that is not a stream is in memory until its last byte is sent, and pictures
may have tens of megabytes. So an account may have as many bytes of them as are still
free, and a reader that takes next to nothing loses its connection.
"""

import asyncio

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.errors import TooManyBytesError
from app.wire.error_handlers import response_to
from app.wire.middleware import FOR_EVER
from worker.contract.fairness import Shares

LARGE_BYTES = 2**17
"""Shorter bodies are not counted: a connection takes about as much by itself."""
MOST_BYTES = 96 * 2**20
"""Bytes of large bodies that are being sent, of all clients together. The largest
picture, 4096 x 4096 pixels of four bytes, fits."""
_PIECE = 2**14
"""Bytes that are sent at once. A reader must take as many in `stall_s`; shorter pieces
would take the event loop longer."""


class LargeResponses:
    """ASGI middleware that counts large bodies while they are sent, for the caller whom
    app.wire.middleware has found. A body for which there is no room is replaced by
    TooManyBytesError (503)."""

    def __init__(self, app: ASGIApp, stall_s: float) -> None:
        """stall_s: seconds in which a reader must take `_PIECE` bytes."""
        self._app = app
        self._stall_s = stall_s
        self._shares = Shares(MOST_BYTES)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        start: Message | None = None
        is_over = False

        async def counted(message: Message) -> None:
            nonlocal start, is_over
            if is_over:
                return
            if message["type"] == "http.response.start" and _may_be_large(message):
                start = message  # until it is known whether the body is in one piece
                return
            if start is not None and not message.get("more_body"):
                is_over = True
                await self._send_large(start, message["body"], scope, receive, send)
                return
            if start is not None:  # such as a file, which is read piece by piece
                await send(start)
                start = None
            await send(message)

        await self._app(scope, receive, counted)

    async def _send_large(
        self, start: Message, body: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        """Send a whole response, whose bytes count for the caller's account meanwhile.
        Send a problem (503) instead if there is no room for them.

        start: the message with status and headers.
        receive: passed on to the refusal.

        Return in the middle of the body if the reader does not take a piece within
        `stall_s`; the server then closes the connection.
        """
        account = scope["state"]["caller"].account
        if not self._shares.take(account, len(body)):
            refusal = TooManyBytesError(
                "answers that are not read yet take all memory for large answers, or "
                "this client's share of it; read those first"
            )
            await response_to(refusal, scope["path"])(scope, receive, send)
            return
        try:
            await send(start)
            for first in range(0, len(body), _PIECE):
                async with asyncio.timeout(self._stall_s):
                    await send(
                        {
                            "type": "http.response.body",
                            "body": body[first : first + _PIECE],
                            "more_body": first + _PIECE < len(body),
                        }
                    )
        except TimeoutError:
            return
        finally:
            self._shares.give_back(account, len(body))


def _may_be_large(start: Message) -> bool:
    """Return True for a response of a large length, which streams do not state. The
    files of the page are in memory once, however many clients read them."""
    headers = Headers(raw=start["headers"])
    is_page = headers.get("cache-control", "").startswith(FOR_EVER)
    return not is_page and int(headers.get("content-length", "0")) > LARGE_BYTES
