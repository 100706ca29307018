"""Models of clients: POST /train trains one on pictures, PUT /models/{name} adds one,
DELETE removes one, and GET /models/{name}/download returns one as a zip."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import replace
from inspect import cleandoc
from typing import Annotated, Any

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Request, Response
from starlette.types import Message

from app.access.callers import Caller
from app.dependencies import CallerDep, Services, ServicesDep
from app.routes.answer import answer
from app.routes.body_limits import checked_type, expect_lone_files, limited, read_parts
from app.routes.json_forms import Form, form_of
from app.routes.known_query import KnownQueryRoute
from app.routes.preferences import Preferences, preferences_of
from app.routes.streams import StreamedResponse
from app.schema.answers import Job
from app.schema.openapi import job_responses, refusals
from app.schema.preference_headers import preference_headers
from app.schema.request_bodies import MAX_TRAINING_FILES, MULTIPART, AddForm, TrainForm
from app.services.added import MOST_BYTES
from app.services.submission import JobRequest
from worker.contract.kinds.add import KIND as ADD
from worker.contract.kinds.train import KIND as TRAIN

router = APIRouter(route_class=KnownQueryRoute, tags=["models"])

_OVERHEAD_BYTES = 64 * 1024
_MOST_FILES = 17
_ZIP = "application/zip"
_FILE = {"type": "string", "format": "binary"}


def _body(form: dict[str, Any], files: str) -> dict[str, Any]:
    """Return `openapi_extra` for a call that takes a form.

    form: its JSON schema.
    files: name of its field for several files.
    """
    content = {"schema": form, "encoding": {files: {"style": "form", "explode": True}}}
    return {"requestBody": {"required": True, "content": {MULTIPART: content}}}


@router.post(
    "/train",
    operation_id="create_training",
    description=cleandoc(TRAIN.description),
    status_code=202,
    response_model=Job,
    responses={
        **job_responses(),
        **refusals(400, 401, 403, 404, 409, 410, 413, 415, 422, 424, 429, 503, 504),
    },
    openapi_extra={
        **preference_headers(),
        **_body(TrainForm.model_json_schema(), "images"),
    },
)
async def train(request: Request, services: ServicesDep, caller: CallerDep) -> Response:
    """Submit the training of a model on pictures. Return its job, after the wait that
    the client asks for."""
    wanted, sent = _request_of(request, services, caller)
    async with _form_of(
        request, services, TrainForm, "images", MAX_TRAINING_FILES + 1
    ) as form:
        sent = _with_terms(sent, form, services)
        options = TRAIN.options.model_validate(form, from_attributes=True)
        files = [each.file for each in form.images]
        submitted = await services.trainings.begin(
            sent, form.name, options, files, wanted.idempotency_key
        )
    return await answer(submitted, wanted, request)


@router.put(
    "/models/{name}",
    operation_id="put_model",
    description=cleandoc(ADD.description),
    status_code=202,
    response_model=Job,
    responses={
        **job_responses(has_picture=False),
        **refusals(
            400, 401, 403, 404, 409, 410, 412, 413, 415, 422, 424, 429, 503, 504
        ),
    },
    openapi_extra={
        **preference_headers(),
        **_body(AddForm.model_json_schema(), "weights"),
    },
)
async def put_model(
    name: str,
    request: Request,
    services: ServicesDep,
    caller: CallerDep,
    if_match: Annotated[
        str | None,
        Header(description="Identity of your model that the new one replaces."),
    ] = None,
) -> Response:
    """Submit a job that examines a model and then adds it under this name, or in place
    of the one that `if_match` identifies. Return the job, after the wait that the
    client asks for."""
    wanted, sent = _request_of(request, services, caller)
    async with _form_of(request, services, AddForm, "weights", _MOST_FILES) as form:
        sent = _with_terms(sent, form, services)
        options = ADD.options.model_validate(form, from_attributes=True)
        files = [each.file for each in (form.card, *form.weights)]
        submitted = await services.trainings.add(
            sent, name, options, files, wanted.idempotency_key, if_match
        )
    return await answer(submitted, wanted, request)


@router.delete(
    "/models/{name}",
    operation_id="delete_model",
    status_code=204,
    responses=refusals(401, 403, 404, 503),
)
async def delete_model(name: str, services: ServicesDep, caller: CallerDep) -> Response:
    """Delete your model, and its pictures by address. Its queued and running jobs end;
    workers forget its weights an hour later."""
    services.added.expect_allowed(caller)
    await run_sync(services.added.delete, name, caller)
    await services.store.forget_addresses(name)
    return Response(status_code=204)


@router.get(
    "/models/{name}/download",
    operation_id="download_model",
    response_class=Response,
    responses={
        200: {"content": {_ZIP: {"schema": _FILE}}},
        **refusals(401, 404, 503),
    },
)
async def download_model(
    name: str, services: ServicesDep, caller: CallerDep
) -> Response:
    """A zip with the card and weights of a model that was added or trained."""
    packed = await run_sync(services.added.packed, name, caller)
    services.seats.expect_free(caller.account)
    return StreamedResponse(
        nullcontext((packed, packed.chunks())),
        services.seats.hold(caller.account),
        _ZIP,
        services.settings.stall_s,
        {"Content-Disposition": f'attachment; filename="{name}.zip"'},
    )


def _request_of(
    request: Request, services: Services, caller: Caller
) -> tuple[Preferences, JobRequest]:
    """Return what the client prefers, and who sends the request. Raises RefusedError if
    the caller may not do this, before anything of the body is read."""
    services.added.expect_allowed(caller)
    checked_type(request, (MULTIPART,))
    wanted = preferences_of(request.headers)
    state = request.scope["state"]
    if wanted.keep_the_connection:
        services.seats.expect_free(caller.account)
    return wanted, JobRequest(caller, state["request_id"], state["traceparent"])


def _with_terms(request: JobRequest, form: Any, services: Services) -> JobRequest:
    """Return the request with the retention and the webhook of its form. Raises
    BadParameterError if this service does not allow them."""
    return replace(
        request,
        retention=services.submission.checked_retention(form.retention),
        webhook=services.webhooks.checked_address(form.webhook),
    )


@asynccontextmanager
async def _form_of(
    request: Request,
    services: Services,
    model: type[Form],
    several: str,
    most_files: int,
) -> AsyncIterator[Form]:
    """Read a form, whose files are open until the block ends. Once it has been
    received, it waits for its turn.

    several: name of its field for several files.
    most_files: most files in that field.

    Raises RequestValidationError, TooManyBytesError, and what `limited` and
    `read_parts` raise.
    """
    receive = limited(request, MOST_BYTES + _OVERHEAD_BYTES)
    with services.added.upload(request.scope["state"]["caller"].account) as count:

        async def counted() -> Message:
            message = await receive()
            count(len(message.get("body", b"")))
            return message

        parts = await read_parts(
            Request(request.scope, counted).form(max_files=most_files, max_fields=16)
        )
        try:
            await expect_lone_files(parts, model)
            files = {**parts, several: parts.getlist(several)}
            async with services.added.turn:
                yield form_of(model, files, "body", is_text=True)
        finally:
            await parts.close()
