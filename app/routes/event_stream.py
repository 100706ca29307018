"""A job's events over HTTP: server-sent events, as the page and the clients read them."""

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
_SAYING_WHEN_TO_RETRY = (SNAPSHOT, SERVER_STOPPING)


def event_stream(
    services: Services,
    job: Job,
    after: int,
    headers: dict[str, str],
    account: str,
) -> StreamedResponse:
    """Return the job's events behind entry `after`; 0 = all.

    account: of the reader, who holds a seat meanwhile.
    """

    @contextlib.contextmanager
    def body() -> Iterator[tuple[Follower, AsyncIterator[bytes]]]:
        with services.row_feed.follow(job, after, estimates=True) as follower:
            yield follower, _chunks_of(services.row_feed.events(job, follower))

    return StreamedResponse(
        body(),
        services.seats.held(account),
        "text/event-stream",
        services.settings.stall_s,
        headers,
    )


async def _chunks_of(batches: AsyncIterator[list[FeedEvent]]) -> AsyncIterator[bytes]:
    """One chunk for each batch; a comment where nothing came for a while."""
    try:
        async for batch in batches:
            yield b"".join(map(_event, batch)) or KEEPALIVE_COMMENT
    except (
        RefusedError
    ) as error:  # the job is gone: deleted, or lost with the store's data
        yield format_sse_event(
            event="error", data_str=problem_of(error).model_dump_json(exclude_none=True)
        )


def _event(event: FeedEvent) -> bytes:
    return format_sse_event(
        event=event.name,
        data_str=event.data,
        id=None if event.seq is None else f"{event.seq}-0",
        retry=RETRY_MS if event.name in _SAYING_WHEN_TO_RETRY else None,
    )
