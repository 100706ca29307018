"""POST /sample, /complete, /upsample, /score: a request becomes a queued job."""

from functools import partial
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Response, UploadFile

from app.dependencies import Services, ServicesDep
from app.errors import TooLargeError
from app.imaging.decode import Role
from app.imaging.given import GivenPixels, Shape, given_pixels, whole_picture
from app.openapi import problems
from app.routes.bodies import BodyRoute
from app.schemas import CompleteForm, Job, Model, SampleRequest, ScoreForm, UpsampleForm
from worker.contract.jobs import JobKind

router = APIRouter(route_class=BodyRoute, tags=["draw"])
_post_form = partial(
    router.post,
    status_code=202,
    responses=problems(400, 404, 413, 415, 422, 503),
    form_limits={"max_files": 2, "max_fields": 16, "max_part_size": 16 * 1024},
)


@router.post("/sample", status_code=202, operation_id="create_sample", responses=problems(400, 404, 413, 415, 422, 503))
async def sample(request: SampleRequest, services: ServicesDep, response: Response) -> Job:
    """Draw `n` new images: answers at once with a queued job; follow `links.events` or poll `links.self`."""
    model = await services.models.find_for(JobKind.SAMPLE, request.model)
    job = await services.submission.sample(request, model)
    response.headers["Location"] = job.links.self
    return job


@_post_form("/complete", operation_id="create_completion")
async def complete(
    form: Annotated[CompleteForm, Form(media_type="multipart/form-data")], services: ServicesDep, response: Response
) -> Job:
    """Fill the hole of an image, `n` times: known pixels stay as they are, `filled_pixels` says how many are drawn.

    A drawn pixel sees the pixels above it and to its left, given or drawn. Given pixels below it are kept, but not
    looked ahead to.
    """
    model = await services.models.find_for(JobKind.COMPLETE, form.model)
    job = await services.submission.complete(form, model, await _given(form, model, services))
    response.headers["Location"] = job.links.self
    return job


@_post_form("/upsample", operation_id="create_upsampling")
async def upsample(
    form: Annotated[UpsampleForm, Form(media_type="multipart/form-data")], services: ServicesDep, response: Response
) -> Job:
    """Draw `n` large images from a small one, which a Multi-Scale model takes as the first stage of its own.

    The large image is drawn given the small one, every pixel of it; it need not repeat its pixels.
    """
    model = await services.models.find_for(JobKind.UPSAMPLE, form.model)
    shape = Shape(model.small_height, model.small_width, model.channels)
    job = await services.submission.upsample(form, model, await _picture(form, shape, services))
    response.headers["Location"] = job.links.self
    return job


@_post_form("/score", operation_id="create_score")
async def score(
    form: Annotated[ScoreForm, Form(media_type="multipart/form-data")], services: ServicesDep, response: Response
) -> Job:
    """How likely the model finds a picture: nats, bits/dim, and the bits of every pixel as numbers and as a heat map.

    Of a model with fewer than 256 values each colour is moved to the nearest; `quantised_pixels` says how many were.
    """
    model = await services.models.find_for(JobKind.SCORE, form.model)
    shape = Shape(model.height, model.width, model.channels)
    job = await services.submission.score(model, await _picture(form, shape, services))
    response.headers["Location"] = job.links.self
    return job


async def _picture(form: UpsampleForm | ScoreForm, shape: Shape, services: Services) -> bytes:
    image = await _bytes_of(form.image, "image", services.settings.max_upload_bytes)
    return await run_sync(whole_picture, image, shape, form.fit == "resize", limiter=services.imaging)


async def _given(form: CompleteForm, model: Model, services: Services) -> GivenPixels:
    limit = services.settings.max_upload_bytes
    image = await _bytes_of(form.image, "image", limit)
    mask = None if form.mask is None else await _bytes_of(form.mask, "mask", limit)
    shape = Shape(model.height, model.width, model.channels)
    return await run_sync(given_pixels, image, mask, shape, form.fit == "resize", limiter=services.imaging)


async def _bytes_of(upload: UploadFile, role: Role, limit: int) -> bytes:
    data = await upload.read(limit + 1)
    if len(data) > limit:
        raise TooLargeError(f"the {role} has too many bytes; at most {limit} are taken")
    return data
