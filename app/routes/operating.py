"""Calls of operators, who have a key with the role `operator`: GET /workers, POST
and DELETE /workers/{name}/drain. Each is logged."""

from fastapi import APIRouter, Depends

from app.dependencies import ServicesDep, expect_operator
from app.routes.known_query import KnownQueryRoute
from app.schema.answers import Worker, WorkerList
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
