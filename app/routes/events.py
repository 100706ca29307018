"""GET /jobs/{id}/events: the rows of a job while they are drawn."""

import re
from typing import Annotated

from fastapi import APIRouter, Header, Query, Response

from app.dependencies import CallerDep, JobId, ServicesDep
from app.errors import BadParameterError
from app.routes.event_stream import event_stream
from app.routes.known_query import KnownQueryRoute
from app.schema.openapi import events_content, refusals

router = APIRouter(route_class=KnownQueryRoute, tags=["jobs"])
_FROM_TEXT = (
    "Like `Last-Event-ID`, which overrides it, for readers that cannot set headers."
)
_EVENT_ID = re.compile(r"([0-9]{1,15})(-0)?")


class EventStream(Response):
    """A stream of server-sent events, for the schema."""

    media_type = "text/event-stream"


@router.get(
    "/jobs/{job_id}/events",
    operation_id="stream_events",
    response_class=EventStream,
    responses={
        200: {
            "description": "Server-sent events: `snapshot`, `row`, `progress` and "
            "`estimate`, then one of `done`, `error` and `canceled`. `server-stopping` "
            "ends a stream early: reconnect with the last id. The data of each event "
            "repeats its name as `type`, except for an `error` that is a Problem.",
            "content": events_content(),
        },
        204: {
            "description": "The reader has the last event already, so an EventSource "
            "does not reconnect"
        },
        **refusals(401, 404, 410, 422, 503),
    },
)
async def stream_events(
    job_id: JobId,
    services: ServicesDep,
    caller: CallerDep,
    last_event_id: Annotated[
        str | None, Header(description="Id of the last event the reader has")
    ] = None,
    from_: Annotated[str | None, Query(alias="from", description=_FROM_TEXT)] = None,
) -> Response:
    """The rows drawn so far, then others as they come; the stream ends after the last
    event. Only events that are stored have an id."""
    after = _sequence(last_event_id or from_)
    job = await services.jobs.view(job_id, caller.owner)
    if job.status.is_terminal and after > job.rows_done:
        return Response(status_code=204)
    # Last, with no wait before the response takes the seat: of many requests at once,
    # all would find the same seats free.
    services.seats.expect_free(caller.account)
    return event_stream(services, job, after, {}, caller.account)


def _sequence(event_id: str | None) -> int:
    """Return the number in an event's id, such as 17 for 17-0; 0 without an id. Raise
    BadParameterError for another text."""
    if not event_id:
        return 0
    match = _EVENT_ID.fullmatch(event_id)
    if match is None:
        raise BadParameterError(
            "Last-Event-ID: expected an id of this stream, such as 17-0"
        )
    return int(match[1])
