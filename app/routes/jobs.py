"""GET /jobs, GET and DELETE /jobs/{id}, POST /jobs/{id}/cancel."""

from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from pydantic import BaseModel, Field

from app.dependencies import CallerDep, JobId, ServicesDep
from app.routes.known_query import KnownQueryRoute
from app.routes.waiting import applied_header, preferred_wait_s, waited_for
from app.schema.answers import Job, JobKind, JobList
from app.schema.openapi import refusals
from app.schema.preference_headers import MAX_WAIT_S, PREFER
from worker.contract.jobs import JobStatus

router = APIRouter(route_class=KnownQueryRoute, tags=["jobs"])


_WAIT_TEXT = (
    f"Answer when the job ends, or after so many seconds, at most {MAX_WAIT_S}. "
    "Overrides `Prefer`."
)


class ListQuery(BaseModel):
    """Query of GET /jobs."""

    status: JobStatus | None = Field(
        default=None, description="Only jobs with this status."
    )
    kind: JobKind | None = Field(default=None, description="Only jobs of this kind.")
    limit: int = Field(default=50, ge=1, le=200, description="Most jobs in the answer.")
    cursor: str | None = Field(
        default=None,
        max_length=200,
        description="`next_cursor` of the previous answer.",
    )


@router.get("/jobs", operation_id="list_jobs", responses=refusals(401, 422, 503))
async def list_jobs(
    query: Annotated[ListQuery, Query()], services: ServicesDep, caller: CallerDep
) -> JobList:
    """Your jobs, newest first: those of your key, or all jobs if the server has no
    keys. Positions in the queue are in `GET /jobs/{id}`."""
    return await services.jobs.page(
        caller.owner, query.status, query.kind, query.limit, query.cursor
    )


@router.get(
    "/jobs/{job_id}",
    operation_id="get_job",
    responses=refusals(401, 404, 410, 422, 503),
    openapi_extra={"parameters": [PREFER]},
)
async def get_job(
    job_id: JobId,
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    response: Response,
    wait: Annotated[
        float, Query(ge=0, allow_inf_nan=False, description=_WAIT_TEXT)
    ] = 0,
) -> Job:
    """The job's state now, or with `wait` as soon as it has ended or the time is
    over."""
    job = await services.jobs.view(job_id, caller.owner)
    seconds = wait
    if "wait" not in request.query_params:
        seconds = preferred_wait_s(request.headers.get("prefer", ""))
        if seconds:
            response.headers.update(applied_header(seconds))
    if not seconds or job.status.is_terminal:
        return job
    services.seats.expect_free(caller.account)
    return await waited_for(
        job, min(seconds, MAX_WAIT_S), services, request.receive, caller.account
    )


@router.post(
    "/jobs/{job_id}/cancel",
    operation_id="cancel_job",
    status_code=202,
    responses={
        200: {"description": "It had ended before, and does not change", "model": Job},
        **refusals(401, 403, 404, 410, 503),
    },
    response_description="It was active and is asked to stop",
)
async def cancel(
    job_id: JobId, response: Response, services: ServicesDep, caller: CallerDep
) -> Job:
    """Ask a job to stop: it ends soon, with the event `canceled`. Rows that are drawn
    are kept; a training leaves nothing."""
    job, was_active = await services.jobs.cancel(job_id, caller.owner)
    await services.trainings.forget_canceled(job)
    if not was_active:
        response.status_code = 200
    return job


@router.post(
    "/jobs/{job_id}/finish",
    operation_id="finish_job",
    status_code=202,
    responses=refusals(401, 403, 404, 409, 410, 422, 503),
    response_description="It ends soon, and then its model is served",
)
async def finish(job_id: JobId, services: ServicesDep, caller: CallerDep) -> Job:
    """End a training now, and publish the best weights so far. 409 while no evaluation
    is better than the starting weights."""
    return await services.trainings.finish(job_id, caller.owner)


@router.delete(
    "/jobs/{job_id}",
    operation_id="delete_job",
    status_code=204,
    responses=refusals(401, 403, 404, 409, 410, 503),
    response_description="It had ended, and is deleted",
)
async def delete(job_id: JobId, services: ServicesDep, caller: CallerDep) -> None:
    """Delete a job and its results: it answers 410 from now on. 409 while it is queued
    or running; cancel it first."""
    await services.jobs.delete(job_id, caller.owner)
