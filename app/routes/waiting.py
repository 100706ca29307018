"""Waiting for the end of a job, as long as a client asks for by `Prefer: wait` or
`?wait=`, but at most MAX_WAIT_S."""

import asyncio
import re

from starlette.types import Receive

from app.dependencies import Services
from app.routes.streams import departure
from app.schema.answers import Job
from app.schema.preference_headers import MAX_WAIT_S

_BETWEEN = re.compile(r"[,;]")
"""Separators of preferences."""
_ENOUGH_DIGITS = 6
"""Digits of a number of seconds that are read. Longer ones exceed the limit anyway.
"""


def preferred_wait_s(prefer: str) -> int:
    """Return the seconds of `wait` in a Prefer header (RFC 7240), at most MAX_WAIT_S,
    which is also the value of `wait` without a number.

    Return 0 if the header does not ask to wait, or if its number is malformed.
    """
    for preference in _BETWEEN.split(prefer):
        name, _, value = (word.strip(' \t"') for word in preference.partition("="))
        if name.lower() == "wait":
            return _granted_s(value)
    return 0


def _granted_s(value: str) -> int:
    """Return the seconds that a value of `wait` is granted."""
    if not value:
        return MAX_WAIT_S
    if not (value.isascii() and value.isdigit()):
        return 0
    return min(int(value.lstrip("0")[:_ENOUGH_DIGITS] or 0), MAX_WAIT_S)


def applied_header(seconds: float) -> dict[str, str]:
    """Return the header `Preference-Applied` for a wait of this length."""
    return {"Preference-Applied": f"wait={seconds:g}"}


async def waited_for(
    job: Job, seconds: float, services: Services, receive: Receive, account: str
) -> Job:
    """Wait until a job has ended, the time is over, this process stops, or the client
    has left. Return the job's state at that moment.

    receive: the ASGI function of the request, which reports that the client has left.
    account: takes a seat while it waits. Call `seats.expect_free` before.
    """
    if job.status.is_terminal:
        return job
    with services.seats.hold(account):
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
