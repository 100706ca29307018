"""POST /sample, /complete, ...: a call for each kind of job that has a form.

A handler reads the files of a checked form, hands both to app.services.intake, which
decides everything, and answers with the job.
"""

from collections.abc import Callable, Coroutine
from inspect import cleandoc
from typing import Annotated, Any

from fastapi import APIRouter, Form, Query, Request, Response, UploadFile
from pydantic import BaseModel

from app.dependencies import Services
from app.errors import TooLargeError
from app.imaging.given import Files
from app.routes.answer import answer
from app.routes.body_limits import BodyRoute
from app.routes.preferences import PICTURE_FORMATS, Preferences, preferences_of
from app.schema.answers import Job
from app.schema.openapi import coded_file_body, job_responses, refusals
from app.schema.preference_headers import preference_headers
from app.schema.request_bodies import FORMS, MAX_IMAGES, request_fields, uploads_of
from app.services.intake import DrawRequest
from app.services.submission import Submitted, repetition_of
from worker.contract.kind import Input, Kind
from worker.contract.kinds import KINDS

router = APIRouter(route_class=BodyRoute, tags=["draw"])

Call = Callable[..., Coroutine[Any, Any, Response]]
"""A handler of FastAPI."""


def _takes_json(kind: Kind) -> Call:
    """Return the handler of a kind without files."""

    async def call(body: FORMS[kind.word], request: Request) -> Response:  # type: ignore[valid-type]
        return await _respond(kind, body, {}, request)

    return call


def _takes_form(kind: Kind) -> Call:
    """Return the handler of a kind whose form has pictures. BodyRoute calls it with a
    form that was sent as JSON, too."""

    async def call(
        form: Annotated[FORMS[kind.word], Form(media_type="multipart/form-data")],  # type: ignore[valid-type]
        request: Request,
    ) -> Response:
        services: Services = request.app.state.services
        files = await _files_of(form, services.settings.max_upload_bytes)
        return await _respond(kind, form, files, request)

    return call


def _takes_file(kind: Kind) -> Call:
    """Return the handler of a kind whose body is a file, and whose form is the query."""

    async def call(
        request: Request,
        body: Annotated[FORMS[kind.word], Query()],  # type: ignore[valid-type]
    ) -> Response:
        # Only in `files`, from which it is forgotten once the job is queued.
        files = {"file": [b"".join([part async for part in request.stream()])]}
        return await _respond(kind, body, files, request)

    return call


def _most_files(kind: Kind) -> int:
    """Return how many files a form of this kind may have."""
    # One more than a job takes, so that the refusal of that one can say how many are
    # taken.
    if kind.input is Input.PICTURES:
        return MAX_IMAGES + 1
    if kind.takes_several:
        return 2 * MAX_IMAGES + 1  # a mask for each picture
    return 2


def _add_route(kind: Kind) -> None:
    """Add the call of a kind to the router."""
    extra = preference_headers()
    limits = None
    if kind.input is Input.NOTHING:
        call = _takes_json(kind)
    elif kind.input is Input.CODED_FILE:
        call = _takes_file(kind)
        extra |= coded_file_body()
    else:
        call = _takes_form(kind)
        limits = {
            "max_files": _most_files(kind),
            "max_fields": 16,
            "max_part_size": 16 * 1024,
        }
    router.post(
        f"/{kind.word}",
        operation_id=f"create_{kind.noun}",
        summary=kind.word.title(),
        description=cleandoc(kind.description),
        status_code=202,
        response_model=Job,
        responses={
            **job_responses(),
            **refusals(400, 401, 403, 404, 410, 413, 415, 422, 424, 429, 503, 504),
        },
        openapi_extra=extra,
        form_limits=limits,  # type: ignore[arg-type]
    )(call)


for _kind in KINDS.values():
    _add_route(_kind)


async def _respond(
    kind: Kind, body: BaseModel, files: Files, request: Request
) -> Response:
    """Submit the job of a checked body, and answer as the client prefers."""
    fields = dict(body)
    preferred = preferences_of(request.headers)
    wanted = preferred.with_picture(fields["scale"], fields["format"])
    submitted = await submitted_job(kind, body, files, request, wanted)
    return await answer(submitted, wanted, request)


async def submitted_job(
    kind: Kind, body: BaseModel, files: Files, request: Request, wanted: Preferences
) -> Submitted:
    """Submit the job of a checked body and its files. Raises RefusedError if the job is
    not accepted.

    wanted: what kind of response the client prefers.
    """
    services: Services = request.app.state.services
    state = request.scope["state"]
    # A field whose files were left out counts as an empty file, as it always has.
    contents = (data for sent in files.values() for data in (sent or (b"",)))
    key, digest = repetition_of(
        wanted.idempotency_key, kind.word, request_fields(body), contents
    )
    draw_request = DrawRequest(
        caller=state["caller"],
        request_id=state["request_id"],
        traceparent=state["traceparent"],
        key=key,
        body=digest,
        kind=kind,
        fields=dict(body),
        files=files,
        place=request.state.place,
        keeps_connection=wanted.keep_the_connection,
        picture_scale=wanted.scale if wanted.media in PICTURE_FORMATS else None,
    )
    return await services.intake.submit(draw_request)


async def _files_of(body: BaseModel, file_bytes: int) -> Files:
    """Read the files of a form. Raises TooLargeError for one of more than `file_bytes`
    bytes."""
    return {
        role: [await bytes_of(upload, role, file_bytes) for upload in uploads]
        for role, uploads in uploads_of(body).items()
    }


async def bytes_of(upload: UploadFile, role: str, file_bytes: int) -> bytes:
    """Read and close a file of a form. Raises TooLargeError if it has more than
    `file_bytes` bytes.

    role: the name of its field.
    """
    data = await upload.read(file_bytes + 1)
    await upload.close()
    if len(data) > file_bytes:
        raise TooLargeError(
            f"the {role} has too many bytes; at most {file_bytes} are taken"
        )
    return data
