"""GET /models and GET /models/{name}."""

from anyio.to_thread import run_sync
from fastapi import APIRouter

from app.dependencies import CallerDep, ServicesDep
from app.routes.known_query import KnownQueryRoute
from app.schema.answers import Model, ModelList
from app.schema.openapi import refusals

router = APIRouter(route_class=KnownQueryRoute, tags=["models"])


@router.get("/models", operation_id="list_models", responses=refusals(401, 503))
async def list_models(services: ServicesDep, caller: CallerDep) -> ModelList:
    """The models that live workers hold, by name; empty while there is no worker."""
    models = await services.models.all(caller)
    refused = await services.models.refused_models(caller)
    return ModelList(
        models=models,
        refused=refused,
        portable=await run_sync(services.portable.names, models),
    )


@router.get(
    "/models/{name}", operation_id="get_model", responses=refusals(401, 404, 503)
)
async def get_model(name: str, services: ServicesDep, caller: CallerDep) -> Model:
    """One model: its size, data and measured likelihood, and the workers that hold
    it."""
    return await services.models.find(name, caller, field="name")
