"""Responses whose bodies take minutes."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from typing import Protocol

from fastapi import Response
from starlette.types import Receive, Scope, Send

from app.errors import RefusedError
from app.redis_connections import STORE_TROUBLE
from app.services.followed_picture import UnfinishedPictureError

_PIECE = 4096
"""Bytes that are sent at once. A client that takes about so many in `stall_s` seconds
keeps its connection."""

NOT_KEPT = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
"""Headers against caching, and against buffering by a proxy (nginx)."""


class Source(Protocol):
    """What produces the chunks of a body."""

    def end(self) -> None:
        """Stop producing chunks, because the client has left."""


class StreamedResponse(Response):
    """A response whose body is sent chunk by chunk.

    It differs from Starlette's StreamingResponse in two ways: a client costs one task
    instead of three, and a client that takes nothing for `stall_s` seconds loses its
    connection.
    """

    def __init__(
        self,
        open_body: contextlib.AbstractContextManager[
            tuple[Source, AsyncIterator[bytes]]
        ],
        seat: contextlib.AbstractContextManager[None],
        media_type: str,
        stall_s: float,
        headers: Mapping[str, str],
    ) -> None:
        """open_body: context manager that yields the source and its chunks.
        seat: of app.services.seats; it is held until the body has ended, for whatever
            reason.
        stall_s: seconds for which a client may take nothing."""
        self.media_type = media_type
        self.status_code = 200
        self.background = None
        self._open_body = open_body
        self._seat = seat
        self._stall_s = stall_s
        self.init_headers({**NOT_KEPT, **headers})  # without a body there is no length

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._seat, self._open_body as (source, chunks):
            leaving = asyncio.ensure_future(departure(receive))
            leaving.add_done_callback(lambda _: source.end())
            try:
                await self._send_all(chunks, send)
            # Returning in the middle of a body makes the server close the connection,
            # which is how the client learns that the body is not complete.
            except (TimeoutError, UnfinishedPictureError, RefusedError, *STORE_TROUBLE):
                return
            finally:
                leaving.cancel()
                if isinstance(chunks, AsyncGenerator):
                    await chunks.aclose()

    async def _send_all(self, chunks: AsyncIterator[bytes], send: Send) -> None:
        await send(
            {
                "type": "http.response.start",
                "status": self.status_code,
                "headers": self.raw_headers,
            }
        )
        async for chunk in chunks:
            for first in range(0, len(chunk), _PIECE):
                await self._send(send, chunk[first : first + _PIECE])
        await self._send(send, b"", is_last=True)

    async def _send(self, send: Send, piece: bytes, is_last: bool = False) -> None:
        """Send a piece of the body. Raises TimeoutError if the client takes nothing of
        the pieces before."""
        async with asyncio.timeout(self._stall_s):
            await send(
                {"type": "http.response.body", "body": piece, "more_body": not is_last}
            )


async def departure(receive: Receive) -> None:
    """Return when the client has left.

    receive: the ASGI function of the request.
    """
    while (await receive())["type"] != "http.disconnect":
        pass
