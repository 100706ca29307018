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


_WAIT_TOLD = f"Answer when the job ends, or after these seconds, {MAX_WAIT_S} at most. Wins over `Prefer`."


class ListQuery(BaseModel):
    status: JobStatus | None = Field(
        default=None, description="Only jobs in this state."
    )
    kind: JobKind | None = Field(default=None, description="Only jobs of this kind.")
    limit: int = Field(default=50, ge=1, le=200, description="How many at most.")
    cursor: str | None = Field(
        default=None, max_length=200, description="`next_cursor` of the answer before."
    )


@router.get("/jobs", operation_id="list_jobs", responses=refusals(401, 422, 503))
async def list_jobs(
    query: Annotated[ListQuery, Query()], services: ServicesDep, caller: CallerDep
) -> JobList:
    """Your jobs, newest first: those of your key, or all where there are no keys. Positions are in `GET /jobs/{id}`."""
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
        float, Query(ge=0, allow_inf_nan=False, description=_WAIT_TOLD)
    ] = 0,
) -> Job:
    """The job as it is, or, with `wait`, as it is once it has ended or the time is up."""
    job = await services.jobs.view(job_id, caller.owner)
    if not (seconds := wait) and (
        seconds := preferred_wait_s(request.headers.get("prefer", ""))
    ):
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
        200: {"description": "It had ended before, and stays as it is", "model": Job},
        **refusals(401, 403, 404, 410, 503),
    },
    response_description="It was active and is asked to stop",
)
async def cancel(
    job_id: JobId, response: Response, services: ServicesDep, caller: CallerDep
) -> Job:
    """Ask a job to stop: it ends soon, with the event `canceled`. Nothing that is drawn is deleted; of a training
    nothing is left."""
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
    response_description="It ends soon, and its model is served then",
)
async def finish(job_id: JobId, services: ServicesDep, caller: CallerDep) -> Job:
    """End a training now: the best so far is published. 409 while there is nothing better than what it began with."""
    return await services.trainings.finish(job_id, caller.owner)


@router.delete(
    "/jobs/{job_id}",
    operation_id="delete_job",
    status_code=204,
    responses=refusals(401, 403, 404, 409, 410, 503),
    response_description="It had ended, and is deleted",
)
async def delete(job_id: JobId, services: ServicesDep, caller: CallerDep) -> None:
    """Delete what a job left: it answers 410 from now on. 409 while it is queued or running: cancel it first."""
    await services.jobs.delete(job_id, caller.owner)
