"""A job's events over HTTP, as server-sent events."""

import contextlib
from collections.abc import AsyncIterator, Iterator

from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from app.dependencies import Services
from app.errors import RefusedError
from app.problems import problem_of
from app.routes.streams import StreamedResponse
from app.schema.answers import Job
from app.services.row_feed import SERVER_STOPPING, SNAPSHOT, FeedEvent
from app.services.row_reader import Follower

RETRY_MS = 1000
"""Milliseconds after which a client reconnects."""
_WITH_RETRY = (SNAPSHOT, SERVER_STOPPING)
"""Events that contain RETRY_MS: the first of a stream, and one after which clients come
back."""


def event_stream(
    services: Services,
    job: Job,
    after: int,
    headers: dict[str, str],
    account: str,
) -> StreamedResponse:
    """Return a response that streams a job's events. It takes a seat of
    `services.seats` while it is sent. Call `seats.expect_free` before.

    after: number of the last entry that the client has; 0 for all events.
    headers: further headers of the response.
    account: the client's.
    """

    @contextlib.contextmanager
    def body() -> Iterator[tuple[Follower, AsyncIterator[bytes]]]:
        with services.row_feed.follow(job, after, estimates=True) as follower:
            yield follower, _chunks_of(services.row_feed.events(job, follower))

    return StreamedResponse(
        body(),
        services.seats.hold(account),
        "text/event-stream",
        services.settings.stall_s,
        headers,
    )


async def _chunks_of(batches: AsyncIterator[list[FeedEvent]]) -> AsyncIterator[bytes]:
    """Yield a chunk for each batch, and a comment for an empty one, which comes if
    nothing happened for a while."""
    try:
        async for batch in batches:
            yield b"".join(map(_event, batch)) or KEEPALIVE_COMMENT
    # The job was deleted, or lost with the store's data.
    except RefusedError as error:
        yield format_sse_event(
            event="error", data_str=problem_of(error).model_dump_json(exclude_none=True)
        )


def _event(event: FeedEvent) -> bytes:
    """Return the text of one event."""
    return format_sse_event(
        event=event.name,
        data_str=event.data,
        id=None if event.seq is None else f"{event.seq}-0",
        retry=RETRY_MS if event.name in _WITH_RETRY else None,
    )
