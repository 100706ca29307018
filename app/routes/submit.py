"""POST /sample, POST /complete: a request becomes a queued job."""

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Response, UploadFile

from app.dependencies import Services, ServicesDep
from app.errors import TooLargeError
from app.imaging.decode import Role
from app.imaging.given import GivenPixels, Shape, given_pixels
from app.openapi import problems
from app.routes.bodies import BodyRoute
from app.schemas import CompleteForm, Job, Model, SampleRequest

router = APIRouter(route_class=BodyRoute, tags=["draw"])


@router.post("/sample", status_code=202, operation_id="create_sample", responses=problems(400, 404, 413, 415, 422, 503))
async def sample(request: SampleRequest, services: ServicesDep, response: Response) -> Job:
    """Draw `n` new images: answers at once with a queued job; follow `links.events` or poll `links.self`."""
    model = await services.models.find(request.model)
    job = await services.submission.sample(request, model)
    response.headers["Location"] = job.links.self
    return job


@router.post(
    "/complete",
    status_code=202,
    operation_id="create_completion",
    responses=problems(400, 404, 413, 415, 422, 503),
    form_limits={"max_files": 2, "max_fields": 16, "max_part_size": 16 * 1024},
)
async def complete(
    form: Annotated[CompleteForm, Form(media_type="multipart/form-data")], services: ServicesDep, response: Response
) -> Job:
    """Fill the hole of an image, `n` times: known pixels stay as they are, `filled_pixels` says how many are drawn.

    A drawn pixel sees the pixels above it and to its left, given or drawn. Given pixels below it are kept, but not
    looked ahead to.
    """
    model = await services.models.find(form.model)
    job = await services.submission.complete(form, model, await _given(form, model, services))
    response.headers["Location"] = job.links.self
    return job


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
