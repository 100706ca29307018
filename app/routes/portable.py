"""GET /models/{name}/portable, and the files that it names: a model, and the engine
that draws from it in a browser."""

from pathlib import Path

from anyio.to_thread import run_sync
from fastapi import APIRouter
from fastapi.responses import FileResponse
from starlette.exceptions import HTTPException

from app.dependencies import CallerDep, ServicesDep
from app.routes.known_query import KnownQueryRoute
from app.schema.answers import PortableModel
from app.schema.openapi import refusals
from app.services.portable import PREFIX
from app.wire.middleware import FOR_EVER

router = APIRouter(route_class=KnownQueryRoute, tags=["models"])

_TYPES = {".js": "text/javascript; charset=utf-8", ".json": "application/json"}
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self' "
    "'wasm-unsafe-eval'; connect-src 'self'",
}
"""Headers of all files. The policy is for a Web Worker, which compiles WebAssembly."""


@router.get(
    "/models/{name}/portable",
    operation_id="get_portable_model",
    responses=refusals(401, 404, 503),
)
async def get_portable_model(
    name: str, services: ServicesDep, caller: CallerDep
) -> PortableModel:
    """Addresses of this model and of the engine that draws from it in a browser or in
    Node, with the same bytes as here.

    Both are on this server and need no key. Their files never change, but for
    portable.json and card.json after a calibration; those of the model are there as
    long as a worker serves it. 404 if the operator does not offer
    this; with keys it has to be allowed.
    """
    model = await services.models.find(name, caller, field="name")
    return await run_sync(services.portable.of, model)


@router.get(PREFIX + "{path:path}", include_in_schema=False)
async def portable_file(
    path: str, services: ServicesDep, caller: CallerDep
) -> FileResponse:
    """Return a file of the engine, or of a model that a worker serves. Raises
    HTTPException (404) if there is no such file, and NoWorkerError (503) for a file of
    a model while there are no workers: it may be served again in a moment."""
    identity = services.portable.identity_in(path)
    if identity:
        await services.models.expect_served(identity, caller)
    found = await run_sync(services.portable.file, path)
    if found is None:
        raise HTTPException(404)
    # Calibrating changes a model's card, but not the identity in its address.
    kept = "no-cache" if identity and found.suffix == ".json" else FOR_EVER
    return FileResponse(
        found,
        headers={**_HEADERS, "Cache-Control": kept},
        media_type=_TYPES.get(Path(path).suffix, "application/octet-stream"),
    )
