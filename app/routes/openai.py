"""/v1: images and models in the format of OpenAI's API, for its clients.

Each request becomes a job like any other. The response waits for the job's images, or
streams partial versions of its only image.
"""

import base64
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, Response, UploadFile
from fastapi.sse import KEEPALIVE_COMMENT, format_sse_event

from app.access.callers import ANYONE
from app.dependencies import CallerDep, Services, ServicesDep
from app.errors import (
    BadParameterError,
    NoLinksError,
    RefusedError,
    StoppingError,
    UnfinishedJobError,
)
from app.imaging.given import ALPHA_MASK, Files
from app.imaging.render import MAX_SCALE, PictureFormat, expect_side
from app.problems import problem_of
from app.routes.body_limits import BodyRoute
from app.routes.known_query import KnownQueryRoute
from app.routes.preferences import preferences_of
from app.routes.streams import StreamedResponse
from app.routes.submit import bytes_of, submitted_job
from app.routes.waiting import waited_for
from app.schema.answers import Job
from app.schema.openai import (
    NO_USAGE,
    EditForm,
    GenerationRequest,
    ImageRequest,
    OpenAIError,
    OpenAIImages,
    OpenAIModel,
    OpenAIModelList,
    error_of,
)
from app.schema.preference_headers import Media
from app.schema.request_bodies import FORMS
from app.services.partial_pictures import PartialPictures
from app.services.row_reader import Follower
from worker.contract.events import Stage
from worker.contract.jobs import JobStatus
from worker.contract.kind import Kind
from worker.contract.kinds import KINDS
from worker.contract.size import sides

PATIENCE_S = 300.0
"""Most seconds that a call waits for its images."""
_LINKS_S = 3600
"""Seconds for which the addresses of images work, as in OpenAI's API."""

_ERRORS: dict[int | str, dict[str, Any]] = {
    "4XX": {"model": OpenAIError, "description": "The request is refused"},
    "5XX": {"model": OpenAIError, "description": "Try again later"},
}

router = APIRouter(prefix="/v1", tags=["openai"], responses=_ERRORS)
bodies = APIRouter(route_class=BodyRoute)
reading = APIRouter(route_class=KnownQueryRoute)


@reading.get("/models", operation_id="list_openai_models")
async def list_models(services: ServicesDep, caller: CallerDep) -> OpenAIModelList:
    """The models by name, in OpenAI's form."""
    models = await services.models.all(caller)
    return OpenAIModelList(data=[OpenAIModel(id=model.name) for model in models])


@reading.get("/models/{name}", operation_id="get_openai_model")
async def get_model(name: str, services: ServicesDep, caller: CallerDep) -> OpenAIModel:
    """One model in OpenAI's form."""
    return OpenAIModel(id=(await services.models.find(name, caller)).name)


@dataclass(frozen=True)
class _Look:
    """Format and size of a call's pictures."""

    format: PictureFormat
    scale: int
    size: str

    def facts(self, job: Job) -> dict[str, Any]:
        """Return the fields that describe the images of a job in an answer."""
        return {
            "output_format": self.format.value,
            "size": self.size,
            "seed": job.seed,
            "job": job.id,
        }


@bodies.post(
    "/images/generations",
    operation_id="create_openai_image",
    response_model=OpenAIImages,
    response_model_exclude_defaults=True,
)
async def generate(
    body: GenerationRequest, request: Request
) -> dict[str, Any] | Response:
    """New images in OpenAI's form. `stream` asks for server-sent events."""
    more: dict[str, Any] = {"size": body.field} if body.field else {}
    return await _images_answer(KINDS["sample"], body, {}, request, more)


@bodies.post(
    "/images/edits",
    operation_id="create_openai_edit",
    response_model=OpenAIImages,
    response_model_exclude_defaults=True,
    form_limits={"max_files": 4, "max_fields": 32, "max_part_size": 64 * 1024},  # type: ignore[call-arg]
)
async def edit(
    form: Annotated[EditForm, Form(media_type="multipart/form-data")], request: Request
) -> dict[str, Any] | Response:
    """The picture with new pixels where the mask, or without one the picture, is
    transparent. `stream` asks for server-sent events."""
    services: Services = request.app.state.services
    limit = services.settings.max_upload_bytes
    picture = form.picture
    # Only in `files`, from which they are forgotten once the job is queued.
    files = {
        "image": [await bytes_of(picture, "image", limit)],
        "mask": [],
        ALPHA_MASK: [],
    }
    if form.mask is not None:
        files[ALPHA_MASK] = [await bytes_of(form.mask, "mask", limit)]
    return await _images_answer(
        KINDS["complete"], form, files, request, {"image": [picture], "fit": "resize"}
    )


async def _images_answer(
    kind: Kind,
    body: ImageRequest,
    files: Files,
    request: Request,
    more: dict[str, list[UploadFile] | str] | None = None,
) -> dict[str, Any] | Response:
    """Submit a job of this kind. Return the answer with its images, or the stream of
    its only image.

    more: fields that only the form of this kind has.
    """
    services: Services = request.app.state.services
    caller = request.scope["state"]["caller"]
    more = more or {}
    body.check_applicable()
    if body.response_format == "url":
        try:
            services.links.expect_any()  # before anything is drawn
        except NoLinksError as error:  # OpenAI's clients would repeat a 501
            raise BadParameterError(
                f"response_format: expected b64_json, since {error}",
                field="response_format",
            ) from None
    model = await services.models.find_for(kind.word, body.model, caller)
    # OpenAI's `size` is that of the picture. A model draws its own size, or that of a
    # field, and the picture is scaled up by a whole number.
    field = more.get("size")
    width, height = model.width, model.height
    if isinstance(field, str):
        width, height = sides(field)
    scale = min(body.scale_for(width, height), MAX_SCALE)
    expect_side(1, width, height, scale)
    fields = {
        "model": body.model,
        "n": body.n or 1,
        "seed": body.seed,
        "label": body.label_among([label.name for label in model.labels]),
        **more,
    }
    # OpenAI's clients send no Prefer header, and expect the images in the answer.
    wanted = replace(
        preferences_of(request.headers), media=Media.JSON, wait_s=int(PATIENCE_S)
    )
    submitted = await submitted_job(
        kind, FORMS[kind.word](**fields), files, request, wanted
    )
    is_repeatable = wanted.idempotency_key is not None
    size = f"{scale * width}x{scale * height}"
    look = _Look(PictureFormat(body.output_format or "png"), scale, size)
    if body.stream:
        return _partial_stream(
            submitted.job, body.partial_images or 0, look, request, is_repeatable
        )
    job = await waited_for(
        submitted.job, PATIENCE_S, services, request.receive, caller.account
    )
    job = await _job_after_success(job, services, is_repeatable)
    make_data = _addresses if body.response_format == "url" else _contents
    data = await make_data(job, look, request)
    return {"created": int(job.created_at.timestamp()), "data": data, **look.facts(job)}


async def _job_after_success(job: Job, services: Services, is_repeatable: bool) -> Job:
    """Return the job if it has succeeded. Raises UnfinishedJobError if it has not, and
    StoppingError if this process stops first.

    is_repeatable: True if the same request finds the same job. Otherwise the job is
        canceled when this process stops.
    """
    is_cut_short = services.stopping.has_begun and not job.status.is_terminal
    # A repetition of the request would draw it again.
    if is_cut_short and not is_repeatable:
        job, _ = await services.jobs.cancel(job.id, ANYONE)
    if job.status is JobStatus.SUCCEEDED:
        return job
    if is_cut_short:
        raise StoppingError(
            "this server is stopping; send it again, another one may answer"
        )
    why = job.error.detail if job.error else f"it is {job.status}"
    raise UnfinishedJobError(f"the images of job {job.id} are not there: {why}")


async def _contents(job: Job, look: _Look, request: Request) -> list[dict[str, str]]:
    """Return the `data` of an answer that contains the images, in base64."""
    services: Services = request.app.state.services
    record = await services.jobs.record(job.id)
    pictures = [
        await services.pictures.picture(record, Stage.FINAL, i, look.scale, look.format)
        for i in range(job.n)
    ]
    return [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]


async def _addresses(job: Job, look: _Look, request: Request) -> list[dict[str, str]]:
    """Return the `data` of an answer that contains addresses of the images, which work
    without a key."""
    services: Services = request.app.state.services
    base = services.settings.public_origin or str(request.base_url).rstrip("/")
    links = await services.links.of(
        job.id, request.scope["state"]["caller"].owner, _LINKS_S
    )
    shown = urlencode({"scale": look.scale, "format": look.format.value})
    return [{"url": f"{base}{image}&{shown}"} for image in links.images]


def _partial_stream(
    job: Job, count: int, look: _Look, request: Request, is_repeatable: bool
) -> StreamedResponse:
    """Return OpenAI's events: `count` unfinished images at even distances, then the
    complete one, or the error."""
    services: Services = request.app.state.services
    account = request.scope["state"]["caller"].account

    @contextlib.contextmanager
    def body() -> Iterator[tuple[Follower, AsyncIterator[bytes]]]:
        with services.row_feed.follow(job, 0, estimates=True) as follower:
            yield follower, _events(job, count, look, services, is_repeatable, follower)

    return StreamedResponse(
        body(),
        services.seats.hold(account),
        Media.EVENTS,
        services.settings.stall_s,
        {},
    )


async def _events(
    job: Job,
    count: int,
    look: _Look,
    services: Services,
    is_repeatable: bool,
    follower: Follower,
) -> AsyncIterator[bytes]:
    """Yield these events as text, one in each chunk."""
    name = "image_generation" if job.kind == "sample" else "image_edit"
    meant = {
        "created_at": int(job.created_at.timestamp()),
        "background": "opaque",
        "quality": "auto",
    }
    facts = {**meant, **look.facts(job)}
    try:
        spec = (await services.jobs.record(job.id)).spec
        partial = PartialPictures(
            count, spec, await services.pictures.initial_pixels(spec)
        )
        async for batch in services.row_feed.events(job, follower):
            if not batch:
                yield KEEPALIVE_COMMENT
            for index, pixels in partial.due(batch):
                picture = await services.pictures.partial(
                    spec, pixels, look.scale, look.format
                )
                yield _event(
                    f"{name}.partial_image",
                    picture,
                    {**facts, "partial_image_index": index},
                )
        await _job_after_success(
            await services.jobs.view(job.id), services, is_repeatable
        )
        record = await services.jobs.record(job.id)
        picture = await services.pictures.picture(
            record, Stage.FINAL, 0, look.scale, look.format
        )
        yield _event(f"{name}.completed", picture, {**facts, "usage": NO_USAGE})
    except RefusedError as error:
        _, body = error_of(problem_of(error))
        yield format_sse_event(
            event="error", data_str=json.dumps({"type": "error", **body})
        )


def _event(name: str, picture: bytes, facts: dict[str, Any]) -> bytes:
    data = {"type": name, "b64_json": base64.b64encode(picture).decode(), **facts}
    return format_sse_event(event=name, data_str=json.dumps(data))


router.include_router(reading)
router.include_router(bodies)
