"""Caching by readers: how long they may keep an answer, and when it need not be sent again."""

import re
from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated

from fastapi import Header, Response

from worker.contract.jobs import JobRecord

IfNoneMatch = Annotated[str | None, Header()]
_MAX_AGE_S = 3600
_TAGS = re.compile(r'(?:W/)?("[^"]*")')


def kept_when_ended(
    record: JobRecord, which: str, *, packed: bool = False
) -> dict[str, str]:
    """Headers of `which` of what there is to see of a job. It may be kept once the job has ended: from then on it never
    changes. packed: some readers get it compressed, so that the tag stands for more than one sequence of bytes."""
    if not record.status.is_terminal:
        return {"Cache-Control": "no-store"}
    tag = f'"{record.spec.id}.{which}"'
    return {
        "Cache-Control": f"private, max-age={_MAX_AGE_S}, immutable",
        "ETag": f"W/{tag}" if packed else tag,
    }


def has_seen(if_none_match: str | None, tag: str | None) -> bool:
    """True if a reader names this tag among those that it has, compared weakly (RFC 9110, section 8.8.3.2)."""
    if if_none_match is None or tag is None:
        return False
    return tag.removeprefix("W/") in _TAGS.findall(if_none_match)


def has_whatever_is_there(if_none_match: str | None) -> bool:
    return if_none_match is not None and if_none_match.strip() == "*"


async def unless_seen(
    if_none_match: str | None,
    headers: Mapping[str, str],
    make: Callable[[], Awaitable[Response]],
) -> Response:
    """The response that `make` makes, or 304 if the reader has it already. `*` stands for whatever there is: it must be
    made to see that there is anything."""
    unchanged = Response(status_code=304, headers=headers)
    if has_seen(if_none_match, headers.get("ETag")):
        return unchanged
    answer = await make()
    return unchanged if has_whatever_is_there(if_none_match) else answer
