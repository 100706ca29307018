"""Calls of operators, who have a key with the role `operator`: /workers, /queue and
/usage.
Each is logged."""

from typing import Annotated

from fastapi import APIRouter, Depends, Query

from app.dependencies import JobId, ServicesDep, expect_operator
from app.routes.known_query import KnownQueryRoute
from app.schema.answers import OpenJob, QueueState, UsageList, Worker, WorkerList
from app.schema.openapi import refusals

router = APIRouter(
    route_class=KnownQueryRoute,
    tags=["operating"],
    dependencies=[Depends(expect_operator)],
)


@router.get("/workers", operation_id="list_workers", responses=refusals(401, 503))
async def list_workers(services: ServicesDep) -> WorkerList:
    """All live workers, trainers too. Only for operators: callers with a key of this
    role; without keys, requests from this machine that no proxy has forwarded."""
    return WorkerList(workers=await services.operating.workers())


@router.post(
    "/workers/{name}/drain",
    operation_id="drain_worker",
    status_code=202,
    responses=refusals(401, 404, 503),
    response_description="It takes no more jobs within a second",
)
async def drain_worker(name: str, services: ServicesDep) -> Worker:
    """Drain a worker: it takes no more jobs, ends those that it holds or gives them
    back after its grace period, and stays, as `drained`, until it is stopped. Only for
    operators."""
    return await services.operating.drain(name, undo=False)


@router.delete(
    "/workers/{name}/drain",
    operation_id="undrain_worker",
    status_code=202,
    responses=refusals(401, 404, 503),
    response_description="It takes jobs again within a second",
)
async def undrain_worker(name: str, services: ServicesDep) -> Worker:
    """Let a drained worker take jobs again. Only for operators."""
    return await services.operating.drain(name, undo=True)


@router.get("/queue", operation_id="get_queue", responses=refusals(401, 422, 503))
async def get_queue(
    services: ServicesDep,
    limit: Annotated[
        int, Query(ge=1, le=2000, description="Most jobs in the answer.")
    ] = 200,
) -> QueueState:
    """The open jobs of all owners, without their inputs and pictures. Only for
    operators."""
    return await services.operating.queue(limit)


@router.post(
    "/queue/{job_id}/cancel",
    operation_id="cancel_job_of_any_owner",
    status_code=202,
    responses=refusals(401, 404, 410, 503),
    response_description="It has ended, or is asked to stop",
)
async def cancel_job(job_id: JobId, services: ServicesDep) -> OpenJob:
    """Ask a job of any owner to stop, as its owner can. Only for operators."""
    job, shown = await services.operating.cancel(job_id)
    await services.trainings.forget_canceled(job)
    return shown


@router.post(
    "/queue/close",
    operation_id="close_queue",
    status_code=204,
    responses=refusals(401, 503),
    response_description="No job is accepted within a second",
)
async def close_queue(services: ServicesDep) -> None:
    """Stop new jobs, for a week at most: requests that make one are answered with 503,
    and open jobs end. Only for operators."""
    await services.operating.close(undo=False)


@router.delete(
    "/queue/close",
    operation_id="reopen_queue",
    status_code=204,
    responses=refusals(401, 503),
    response_description="Jobs are accepted within a second",
)
async def reopen_queue(services: ServicesDep) -> None:
    """Take new jobs again. Only for operators."""
    await services.operating.close(undo=True)


@router.get("/usage", operation_id="get_usage", responses=refusals(401, 503))
async def get_usage(services: ServicesDep) -> UsageList:
    """Images, values and seconds of each owner's jobs, by the day of their end. Only for
    operators."""
    return UsageList(usage=await services.operating.usage())
