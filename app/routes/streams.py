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
"""Bytes handed to the server at once: a reader that takes so many in `stall_s` seconds, or few more, is kept."""

NOT_KEPT = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}


class Source(Protocol):
    """Produces a body's chunks."""

    def end(self) -> None:
        """The reader has left: there need not be any more."""


class StreamedResponse(Response):
    """A body that comes chunk by chunk.

    seat: of app.services.seats, held until the body has ended, however that happens.

    It differs from Starlette's StreamingResponse in two ways: a reader costs one task instead of three, and a reader
    that takes nothing for `stall_s` seconds is let go.
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
            except (TimeoutError, UnfinishedPictureError, RefusedError, *STORE_TROUBLE):
                return  # in the middle of a body: the server closes the connection, so that the reader sees it
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
        """Raises TimeoutError where the reader takes nothing of what was sent before."""
        async with asyncio.timeout(self._stall_s):
            await send(
                {"type": "http.response.body", "body": piece, "more_body": not is_last}
            )


async def departure(receive: Receive) -> None:
    """Return when the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass
