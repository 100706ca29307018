"""/v1: images and models as OpenAI's clients ask for them. A request becomes a job as any other, and is waited for."""

import base64
from dataclasses import replace
from typing import Annotated, Any
from urllib.parse import urlencode

from fastapi import APIRouter, Form, Request, UploadFile

from app.access.callers import ANYONE
from app.dependencies import Services, ServicesDep
from app.errors import StoppingError, UnfinishedJobError
from app.imaging.given import ALPHA_MASK, Files
from app.imaging.render import MAX_SCALE, PictureFormat, expect_side
from app.routes.body_limits import BodyRoute
from app.routes.known_query import KnownQueryRoute
from app.routes.preferences import Preferences, preferences_of
from app.routes.submit import accepted, bytes_of
from app.routes.waiting import waited_for
from app.schema.answers import Job, Model
from app.schema.openai import Asked, EditForm, GenerationRequest, model_of
from app.schema.preference_headers import Media
from app.schema.request_bodies import FORMS
from worker.contract.events import Stage
from worker.contract.jobs import JobStatus
from worker.contract.kind import Kind
from worker.contract.kinds import KINDS

PATIENCE_S = 300.0
"""Seconds that a call waits for its images, at most."""
_LINKS_S = 3600

router = APIRouter(prefix="/v1", include_in_schema=False)
bodies = APIRouter(route_class=BodyRoute)
reading = APIRouter(route_class=KnownQueryRoute)


@reading.get("/models")
async def list_models(services: ServicesDep) -> dict[str, Any]:
    return {"object": "list", "data": [model_of(model.name) for model in await services.models.all()]}


@reading.get("/models/{name}")
async def get_model(name: str, services: ServicesDep) -> dict[str, Any]:
    return model_of((await services.models.find(name)).name)


@bodies.post("/images/generations")
async def generate(body: GenerationRequest, request: Request) -> dict[str, Any]:
    """New images."""
    return await _drawn(KINDS["sample"], body, {}, request)


@bodies.post("/images/edits", form_limits={"max_files": 4, "max_fields": 32, "max_part_size": 64 * 1024})  # type: ignore[call-arg]
async def edit(form: Annotated[EditForm, Form(media_type="multipart/form-data")], request: Request) -> dict[str, Any]:
    """The transparent pixels of the mask, or without one of the picture, are filled."""
    services: Services = request.app.state.services
    limit, picture = services.settings.max_upload_bytes, form.picture
    masks = [] if form.mask is None else [await bytes_of(form.mask, "mask", limit)]
    files = {"image": [await bytes_of(picture, "image", limit)], "mask": [], ALPHA_MASK: masks}
    return await _drawn(KINDS["complete"], form, files, request, {"image": picture, "fit": "resize"})


async def _drawn(
    kind: Kind, asked: Asked, files: Files, request: Request, more: dict[str, UploadFile | str] | None = None
) -> dict[str, Any]:
    """The answer with the images of a job of this kind. more: fields of its form that only it has."""
    services: Services = request.app.state.services
    asked.expect_what_applies()
    if asked.response_format == "url":
        services.links.expect_any()
    model = await services.models.find_for(kind.word, asked.model)
    scale = min(asked.scale_for(model.width, model.height), MAX_SCALE)
    expect_side(1, model.width, model.height, scale)
    label = asked.label_among([label.name for label in model.labels])
    fields = {"model": asked.model, "n": asked.n or 1, "seed": asked.seed, "label": label, **(more or {})}
    wanted = _wanted(request)
    submitted = await accepted(kind, FORMS[kind.word](**fields), files, request, wanted)
    job = await waited_for(submitted.job, PATIENCE_S, services, request.receive)
    job = await _succeeded(job, services, is_repeatable=wanted.idempotency_key is not None)
    return await _answer(job, model, asked, scale, request)


def _wanted(request: Request) -> Preferences:
    """The job's document, waited for."""
    return replace(preferences_of(request.headers), media=Media.JSON, wait_s=int(PATIENCE_S))


async def _succeeded(job: Job, services: Services, is_repeatable: bool) -> Job:
    """The job, which has succeeded. Raises UnfinishedJobError, and StoppingError where another process may wait for it.
    is_repeatable: the same call made again finds the same job; else it is canceled, because it would be drawn twice."""
    is_cut_short = services.stopping.has_begun and not job.status.is_terminal
    if is_cut_short and not is_repeatable:
        job, _ = await services.jobs.cancel(job.id, ANYONE)
    if job.status is JobStatus.SUCCEEDED:
        return job
    if is_cut_short:
        raise StoppingError("this server is stopping; send it again, another one may answer")
    why = job.error.detail if job.error else f"it is {job.status}"
    raise UnfinishedJobError(f"the images of job {job.id} are not there: {why}")


async def _answer(job: Job, model: Model, asked: Asked, scale: int, request: Request) -> dict[str, Any]:
    kind = PictureFormat(asked.output_format or "png")
    addresses = _addresses if asked.response_format == "url" else _contents
    return {
        "created": int(job.created_at.timestamp()),
        "data": await addresses(job, kind, scale, request),
        "output_format": kind.value,
        "size": f"{scale * model.width}x{scale * model.height}",
        "seed": job.seed,
        "job": job.id,
    }


async def _contents(job: Job, kind: PictureFormat, scale: int, request: Request) -> list[dict[str, str]]:
    services: Services = request.app.state.services
    record = await services.jobs.record(job.id)
    pictures = [await services.pictures.picture(record, Stage.FINAL, i, scale, kind) for i in range(job.n)]
    return [{"b64_json": base64.b64encode(picture).decode()} for picture in pictures]


async def _addresses(job: Job, kind: PictureFormat, scale: int, request: Request) -> list[dict[str, str]]:
    services: Services = request.app.state.services
    base = services.settings.public_url or str(request.base_url).rstrip("/")
    links = await services.links.of(job.id, request.scope["state"]["caller"].owner, _LINKS_S)
    shown = urlencode({"scale": scale, "format": kind.value})
    return [{"url": f"{base}{image}&{shown}"} for image in links.images]


router.include_router(reading)
router.include_router(bodies)
