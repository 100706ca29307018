"""Calls of operators, who have a key with the role `operator`: GET /workers. Each is
logged."""

from fastapi import APIRouter, Depends

from app.dependencies import ServicesDep, expect_operator
from app.routes.known_query import KnownQueryRoute
from app.schema.answers import WorkerList
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
