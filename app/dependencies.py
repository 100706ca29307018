"""What FastAPI passes to handlers: services, the caller, and checked job ids. All these
functions are `async`, because FastAPI would run others in threads."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated

import structlog
from anyio import CapacityLimiter
from fastapi import Depends, Request

from app.access.callers import Caller
from app.errors import NotAllowedError, UnknownJobError
from app.metrics import Metrics
from app.services.added import AddedModels
from app.services.addresses import Addresses
from app.services.bodies import Bodies
from app.services.exchanges import Exchanges
from app.services.fleet import FleetWatch
from app.services.intake import Intake
from app.services.jobs import Jobs
from app.services.links import SigningLinks
from app.services.models import Models
from app.services.operating import Operating
from app.services.packing import EntryPacking
from app.services.pictures import Pictures
from app.services.portable import PortableModels
from app.services.row_feed import RowFeed
from app.services.row_reader import RowReader
from app.services.seats import Seats
from app.services.sleep import Sleep
from app.services.submission import Submission
from app.services.trainings import Trainings
from app.services.webhooks import Webhooks
from app.settings import Settings
from app.store import Store
from app.wire.stopping import Stopping

_JOB_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class Services:
    """Everything that lives as long as the application. main.py makes it."""

    settings: Settings
    keys_unread_s: Callable[[], float]
    """Seconds since the file of keys was last readable; 0 if it is readable now, or if
    there is none."""
    store: Store
    fleet: FleetWatch
    metrics: Metrics
    models: Models
    operating: Operating
    jobs: Jobs
    links: SigningLinks
    submission: Submission
    intake: Intake
    webhooks: Webhooks
    packing: EntryPacking
    pictures: Pictures
    addresses: Addresses
    portable: PortableModels
    added: AddedModels
    exchanges: Exchanges
    sleep: Sleep
    trainings: Trainings
    row_reader: RowReader
    row_feed: RowFeed
    seats: Seats
    bodies: Bodies
    stopping: Stopping
    imaging: CapacityLimiter
    """Limits the threads that decode or encode pictures at once, because each may hold
    some tens of MiB."""


async def _services(request: Request) -> Services:
    return request.app.state.services


ServicesDep = Annotated[Services, Depends(_services)]


async def _job_id(job_id: str) -> str:
    if not _JOB_ID.fullmatch(job_id):
        raise UnknownJobError("no job has this id")
    return job_id


JobId = Annotated[str, Depends(_job_id)]


async def _caller(request: Request) -> Caller:
    return request.scope["state"]["caller"]


CallerDep = Annotated[Caller, Depends(_caller)]


async def expect_operator(
    request: Request, services: ServicesDep, caller: CallerDep
) -> None:
    """Raise NotAllowedError unless the caller is an operator. Log the call, whoever
    makes it."""
    structlog.get_logger("pixelrnn.api").info(
        "operator_call",
        key=caller.owner,
        method=request.method,
        path=request.url.path,
        allowed=caller.is_operator,
    )
    if caller.is_operator:
        return
    raise NotAllowedError(
        "this key may not: `pixelrnn keys add NAME --role operator` makes one that may"
        if services.settings.needs_key
        else "without keys only requests from this machine may do this, "
        "and none that a proxy has forwarded"
    )
