"""POST /jobs/{id}/links: addresses of a job that work without a key."""

from typing import Annotated

from fastapi import APIRouter, Body

from app.dependencies import CallerDep, JobId, ServicesDep
from app.routes.body_limits import BodyRoute
from app.schema.answers import SignedLinks
from app.schema.openapi import refusals
from app.schema.request_bodies import LinksRequest

router = APIRouter(route_class=BodyRoute, tags=["jobs"])


@router.post(
    "/jobs/{job_id}/links",
    operation_id="create_links",
    responses=refusals(400, 401, 403, 404, 410, 413, 415, 422, 501, 503),
)
async def create_links(
    job_id: JobId,
    services: ServicesDep,
    caller: CallerDep,
    body: Annotated[LinksRequest, Body(default_factory=LinksRequest)],
) -> SignedLinks:
    """Addresses of a job's pictures and events that work without a key, for an `<img>`
    or an `EventSource`.

    They give access to nothing else, and work until they expire or the job is deleted.
    They are relative to the server's address, like `links` of the job. 501 if the
    operator has set no secret for signatures.
    """
    return await services.links.of(job_id, caller.owner, body.expires_in)
