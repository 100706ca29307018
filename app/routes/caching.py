"""Caching by clients: how long they may keep a response, and when it need not be sent
again."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import Header, Response

from worker.contract.jobs import JobRecord

IfNoneMatch = Annotated[str | None, Header()]
_MAX_AGE_S = 3600
"""Seconds for which a response about a job that has ended may be kept."""
_TAGS = re.compile(r'(?:W/)?("[^"]*")')


def kept_when_ended(
    record: JobRecord, which: str, *, packed: bool = False
) -> dict[str, str]:
    """Return the caching headers of one representation of a job. It may be kept once
    the job has ended, because it never changes from then on.

    which: identifies the representation among all of this job.
    packed: True if some clients receive it compressed, so that its ETag must be a weak
        one.
    """
    if not record.status.is_terminal:
        return {"Cache-Control": "no-store"}
    tag = f'"{record.spec.id}.{which}"'
    return {
        "Cache-Control": f"private, max-age={_MAX_AGE_S}, immutable",
        "ETag": f"W/{tag}" if packed else tag,
    }


def has_seen(if_none_match: str | None, tag: str | None) -> bool:
    """Return True if an If-None-Match header contains an ETag, by weak comparison (RFC
    9110, section 8.8.3.2)."""
    if if_none_match is None or tag is None:
        return False
    return tag.removeprefix("W/") in _TAGS.findall(if_none_match)


def has_whatever_is_there(if_none_match: str | None) -> bool:
    """Return True if an If-None-Match header is `*`, which matches any response."""
    return if_none_match is not None and if_none_match.strip() == "*"


async def unless_seen(
    if_none_match: str | None,
    headers: Mapping[str, str],
    make: Callable[[], Awaitable[Response]],
) -> Response:
    """Return the response that `make` makes, or 304 if the client has it already.

    headers: of both responses.
    """
    unchanged = Response(status_code=304, headers=headers)
    if has_seen(if_none_match, headers.get("ETag")):
        return unchanged
    # For `*` too: it raises the error if there is no response.
    answer = await make()
    return unchanged if has_whatever_is_there(if_none_match) else answer
