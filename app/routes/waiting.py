"""Waiting for the end of a job: as long as a client asks to, by `Prefer: wait` or `?wait=`, and as long as it may."""

import asyncio
import re

from starlette.types import Receive

from app.dependencies import Services
from app.routes.streams import departure
from app.schema.answers import Job
from app.schema.preference_headers import MAX_WAIT_S

_BETWEEN = re.compile(r"[,;]")
_ENOUGH_DIGITS = 6
"""Digits that are read of a number of seconds: so many already say that it is above the limit."""


def preferred_wait_s(prefer: str) -> int:
    """The seconds of a header `Prefer` (RFC 7240), MAX_WAIT_S at most and where it names none; 0 where it says nothing
    of waiting, or nothing that can be understood."""
    for preference in _BETWEEN.split(prefer):
        name, _, value = (word.strip(' \t"') for word in preference.partition("="))
        if name.lower() == "wait":
            return _granted_s(value)
    return 0


def _granted_s(value: str) -> int:
    if not value:
        return MAX_WAIT_S
    if not (value.isascii() and value.isdigit()):
        return 0
    return min(int(value.lstrip("0")[:_ENOUGH_DIGITS] or 0), MAX_WAIT_S)


def applied_header(seconds: float) -> dict[str, str]:
    """The header that says that a wait was granted, and how long."""
    return {"Preference-Applied": f"wait={seconds:g}"}


async def waited_for(
    job: Job, seconds: float, services: Services, receive: Receive, account: str
) -> Job:
    """Return the job when it has ended, the time is up, this process stops or the client
    has left.

    account: of the client, who holds a seat meanwhile, which was free a moment ago.
    """
    if job.status.is_terminal:
        return job
    with services.seats.held(account):
        ending = asyncio.ensure_future(services.row_feed.wait(job, seconds))
        leaving = asyncio.ensure_future(departure(receive))
        try:
            await asyncio.wait((ending, leaving), return_when=asyncio.FIRST_COMPLETED)
            if ending.done():
                ending.result()
        finally:
            ending.cancel()
            leaving.cancel()
    return await services.jobs.view(job.id)
