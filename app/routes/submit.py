"""POST /sample, /complete, /upsample, /score: a request becomes a queued job."""

from functools import partial
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Request, Response, UploadFile

from app.dependencies import Services
from app.errors import TooLargeError
from app.imaging.decode import Role
from app.imaging.given import Shape, given_pixels, whole_picture
from app.openapi import drawn, manners, problems
from app.routes.bodies import BodyRoute
from app.routes.desk import desk_of
from app.schemas import CompleteForm, Job, SampleRequest, ScoreForm, UpsampleForm
from worker.contract.jobs import JobKind

router = APIRouter(route_class=BodyRoute, tags=["draw"])
_REFUSALS = problems(400, 401, 403, 404, 410, 413, 415, 422, 429, 503)
_post = partial(
    router.post, status_code=202, response_model=Job, responses={**drawn(), **_REFUSALS}, openapi_extra=manners()
)
_post_form = partial(_post, form_limits={"max_files": 2, "max_fields": 16, "max_part_size": 16 * 1024})


@_post("/sample", operation_id="create_sample")
async def sample(body: SampleRequest, request: Request) -> Response:
    """Draw `n` new images: answers at once with a queued job; follow `links.events` or poll `links.self`."""
    desk = desk_of(request)
    services = desk.services
    wish = desk.wish(JobKind.SAMPLE, body)
    if known := await services.submission.known(wish):
        return await desk.answer(known)
    await services.submission.expect_room()
    model = await services.models.find_for(JobKind.SAMPLE, body.model)
    return await desk.answer(await services.submission.sample(wish, body, model))


@_post_form("/complete", operation_id="create_completion")
async def complete(form: Annotated[CompleteForm, Form(media_type="multipart/form-data")], request: Request) -> Response:
    """Fill the hole of an image, `n` times: known pixels stay as they are, `filled_pixels` says how many are drawn.

    A drawn pixel sees the pixels above it and to its left, given or drawn. Given pixels below it are kept, but not
    looked ahead to. With `rank` the completions are scored as whole images, so that those which lead up to what is
    given below come first.
    """
    desk = desk_of(request)
    services = desk.services
    image = await _bytes_of(form.image, "image", services)
    mask = None if form.mask is None else await _bytes_of(form.mask, "mask", services)
    wish = desk.wish(JobKind.COMPLETE, form, image, mask or b"")
    if known := await services.submission.known(wish):
        return await desk.answer(known)
    await services.submission.expect_room()
    model = await services.models.find_for(JobKind.COMPLETE, form.model)
    shape, resize = Shape(model.height, model.width, model.channels), form.fit == "resize"
    given = await run_sync(given_pixels, image, mask, shape, resize, limiter=services.imaging)
    return await desk.answer(await services.submission.complete(wish, form, model, given))


@_post_form("/upsample", operation_id="create_upsampling")
async def upsample(form: Annotated[UpsampleForm, Form(media_type="multipart/form-data")], request: Request) -> Response:
    """Draw `n` large images from a small one, which a Multi-Scale model takes as the first stage of its own.

    The large image is drawn given the small one, every pixel of it; it need not repeat its pixels.
    """
    desk = desk_of(request)
    services = desk.services
    image = await _bytes_of(form.image, "image", services)
    wish = desk.wish(JobKind.UPSAMPLE, form, image)
    if known := await services.submission.known(wish):
        return await desk.answer(known)
    await services.submission.expect_room()
    model = await services.models.find_for(JobKind.UPSAMPLE, form.model)
    shape = Shape(model.small_height, model.small_width, model.channels)
    small = await _picture(form, image, shape, services)
    return await desk.answer(await services.submission.upsample(wish, form, model, small))


@_post_form("/score", operation_id="create_score")
async def score(form: Annotated[ScoreForm, Form(media_type="multipart/form-data")], request: Request) -> Response:
    """How likely the model finds a picture: nats, bits/dim, and the bits of every pixel as numbers and as a heat map.

    Of a model with fewer than 256 values each colour is moved to the nearest; `quantised_pixels` says how many were.
    With `x` and `y` the result also lists, for each colour of that pixel, the probability of every value given all that
    comes before it.
    """
    desk = desk_of(request)
    services = desk.services
    image = await _bytes_of(form.image, "image", services)
    wish = desk.wish(JobKind.SCORE, form, image)
    if known := await services.submission.known(wish):
        return await desk.answer(known)
    await services.submission.expect_room()
    model = await services.models.find_for(JobKind.SCORE, form.model)
    picture = await _picture(form, image, Shape(model.height, model.width, model.channels), services)
    return await desk.answer(await services.submission.score(wish, form, model, picture))


async def _picture(form: UpsampleForm | ScoreForm, image: bytes, shape: Shape, services: Services) -> bytes:
    return await run_sync(whole_picture, image, shape, form.fit == "resize", limiter=services.imaging)


async def _bytes_of(upload: UploadFile, role: Role, services: Services) -> bytes:
    limit = services.settings.max_upload_bytes
    data = await upload.read(limit + 1)
    if len(data) > limit:
        raise TooLargeError(f"the {role} has too many bytes; at most {limit} are taken")
    return data
