"""POST /sample, /complete, /upsample, /score, /verify, /encode, /decode: a request becomes a queued job."""

from dataclasses import replace
from functools import partial
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Form, Query, Request, Response, UploadFile

from app.dependencies import Services
from app.errors import NotDecodableError, TooLargeError
from app.imaging.given import Files, read_given
from app.imaging.recipe import read_recipe
from app.routes.answer import answer
from app.routes.body_limits import BodyRoute
from app.routes.preferences import Preferences, preferences_of
from app.schema.answers import Job, Model
from app.schema.job_options import JobOptions
from app.schema.openapi import coded_file_body, job_responses, refusals
from app.schema.preference_headers import preference_headers
from app.schema.request_bodies import (
    MAX_IMAGES,
    MAX_WEBHOOK_LENGTH,
    WEBHOOK_TOLD,
    CompleteForm,
    DecodeRequest,
    EncodeForm,
    JobRequest,
    SampleRequest,
    ScoreForm,
    UpsampleForm,
    VerifyForm,
    asked_of,
    decoding_of,
    may_resize,
    options_of,
    uploads_of,
    verification_of,
)
from app.services.models import Models
from app.services.submission import RequestIdentity, Submitted, with_key
from worker.contract.coded_file import CodedFile, CodedFileError
from worker.contract.kinds import KINDS, Input, JobKind

router = APIRouter(route_class=BodyRoute, tags=["draw"])
_REFUSALS = refusals(400, 401, 403, 404, 410, 413, 415, 422, 429, 503)
_post = partial(
    router.post,
    status_code=202,
    response_model=Job,
    responses={**job_responses(), **_REFUSALS},
    openapi_extra=preference_headers(),
)
_post_form = partial(_post, form_limits={"max_files": 2, "max_fields": 16, "max_part_size": 16 * 1024})
_post_files = partial(_post, form_limits={"max_files": MAX_IMAGES + 1, "max_fields": 16, "max_part_size": 16 * 1024})
"""One more than are taken, so that the answer to that one says how many are."""


@_post("/sample", operation_id="create_sample")
async def sample(body: SampleRequest, request: Request) -> Response:
    """Draw `n` new images: answers at once with a queued job; follow `links.events` or poll `links.self`."""
    return await accept(JobKind.SAMPLE, body, request)


@_post_form("/complete", operation_id="create_completion")
async def complete(form: Annotated[CompleteForm, Form(media_type="multipart/form-data")], request: Request) -> Response:
    """Fill the hole of an image, `n` times: known pixels stay as they are, `filled_pixels` says how many are drawn.

    By `posterior`, the usual method, the hole is drawn given all that is given, wherever it is. `result.posterior` says
    how well: `exact`, or by how many particles, and how many of them counted. `GET /jobs/{id}/marginals` shows what was
    expected of each pixel. An image that is drawn by particles, or in another order than from the top down, comes
    whole. By `clamp` a drawn pixel sees the pixels above it and to its left; given pixels below it are kept, but not
    looked ahead to. With `rank` the completions are scored as whole images, likeliest first.
    """
    return await accept(JobKind.COMPLETE, form, request)


@_post_form("/upsample", operation_id="create_upsampling")
async def upsample(form: Annotated[UpsampleForm, Form(media_type="multipart/form-data")], request: Request) -> Response:
    """Draw `n` large images from a small one, which a Multi-Scale model takes as the first stage of its own.

    The large image is drawn given the small one, every pixel of it; it need not repeat its pixels.
    """
    return await accept(JobKind.UPSAMPLE, form, request)


@_post_form("/score", operation_id="create_score")
async def score(form: Annotated[ScoreForm, Form(media_type="multipart/form-data")], request: Request) -> Response:
    """How likely the model finds a picture: nats, bits/dim, and the bits of every pixel as numbers and as a heat map.

    Of a model with fewer than 256 values each colour is moved to the nearest; `quantised_pixels` says how many were.
    With `x` and `y` the result also lists, for each colour of that pixel, the probability of every value given all that
    comes before it, and with `influence` how much each earlier pixel mattered for that.
    """
    return await accept(JobKind.SCORE, form, request)


@_post_form("/verify", operation_id="create_verification")
async def verify(form: Annotated[VerifyForm, Form(media_type="multipart/form-data")], request: Request) -> Response:
    """Did the model draw this picture, with the seed that it names? It draws the picture again, and every pixel must be
    the same: `result.verified`; `result.changed` names those that are not.

    For samples only. A completion or an upsampling depends on what was given, which its picture does not say. A picture
    that was drawn with other numerics than the workers' cannot be told, and the job fails with `not-verifiable`.
    """
    return await accept(JobKind.VERIFY, form, request)


@_post_files("/encode", operation_id="create_encoding")
async def encode(form: Annotated[EncodeForm, Form(media_type="multipart/form-data")], request: Request) -> Response:
    """Many pictures as one file, without loss: `GET /jobs/{id}/blob`, about as long as the model finds them unlikely.

    All pictures together may have as many bytes as two may in other calls. One that would not come back as it is is
    refused. A Multi-Scale model has no codec, and a worker on a GPU none either: `can` of a model says it.
    """
    return await accept(JobKind.ENCODE, form, request)


@_post("/decode", operation_id="create_decoding", openapi_extra={**preference_headers(), **coded_file_body()})
async def decode(
    request: Request,
    webhook: Annotated[str | None, Query(max_length=MAX_WEBHOOK_LENGTH, description=WEBHOOK_TOLD)] = None,
) -> Response:
    """The pictures of a file of `POST /encode` or of `pixelrnn encode`, as the images of a job.

    The body is the file, which names its model. It is refused where nobody holds those weights, and where it holds more
    pictures than a job has images. What only a worker can see ends the job, with `not-decodable` and the reason:
    damage, or a machine that computes otherwise than the one that encoded.
    """
    file = {"file": [await request.body()]}
    return await _accept(JobKind.DECODE, DecodeRequest(webhook=webhook), file, request)


async def accept(kind: JobKind, body: JobRequest, request: Request) -> Response:
    """Answer a checked body. Raises TooLargeError for pictures of too many bytes."""
    services: Services = request.app.state.services
    return await _accept(kind, body, await _files_of(body, services.settings.max_upload_bytes), request)


async def _accept(kind: JobKind, body: JobRequest, files: Files, request: Request) -> Response:
    """The same for every kind of job.

    What costs little to refuse is refused before anything costly is done, such as reading a picture; and a request that
    came before is answered before anything is refused.
    """
    services: Services = request.app.state.services
    wanted = preferences_of(request.headers)
    if wanted.keep_the_connection:
        services.seats.expect_free()
    identity = _identity(kind, body, files, request, wanted)
    submitted = await services.submission.known(identity) or await _submit(identity, kind, body, files, services)
    return await answer(submitted, wanted, services)


async def _submit(
    identity: RequestIdentity, kind: JobKind, body: JobRequest, files: Files, services: Services
) -> Submitted:
    webhook = services.webhooks.expected(body.webhook)
    await services.submission.expect_room()
    model, options = await _asked(kind, body, files, services.models)
    given = None
    if (wanted := KINDS[kind].input) is not Input.NOTHING:
        given = await run_sync(read_given, wanted, files, model, may_resize(body), limiter=services.imaging)
    return await services.submission.submit(identity, kind, model, replace(options, webhook=webhook), given)


async def _asked(kind: JobKind, body: JobRequest, files: Files, models: Models) -> tuple[Model, JobOptions]:
    """The model and the options that are asked for; a picture that is to be verified names both, and so does a coded
    file."""
    if isinstance(body, DecodeRequest):
        return await _asked_by_file(files["file"][0], models)
    if not isinstance(body, VerifyForm):
        model = await models.find_for(kind, body.model)
        return model, options_of(body, model)
    recipe = read_recipe(files["image"][0])
    model = await models.find_for(kind, recipe.model)
    return model, verification_of(recipe, model)


async def _asked_by_file(data: bytes, models: Models) -> tuple[Model, JobOptions]:
    try:
        file = CodedFile.of(data)
    except CodedFileError as error:
        raise NotDecodableError(str(error)) from None
    options = decoding_of(file)
    return await models.find_by_digest(JobKind.DECODE, file.digest), options


def _identity(kind: JobKind, body: JobRequest, files: Files, request: Request, wanted: Preferences) -> RequestIdentity:
    state = request.scope["state"]
    contents = (data for sent in files.values() for data in (sent or (b"",)))
    identity = RequestIdentity(state["caller"], state["request_id"], state["traceparent"])
    return with_key(identity, wanted.idempotency_key, kind, asked_of(body), contents)


async def _files_of(body: JobRequest, limit: int) -> Files:
    """Raises TooLargeError for a file of more than `limit` bytes."""
    return {
        role: [await _bytes_of(upload, role, limit) for upload in uploads] for role, uploads in uploads_of(body).items()
    }


async def _bytes_of(upload: UploadFile, role: str, limit: int) -> bytes:
    data = await upload.read(limit + 1)
    if len(data) > limit:
        raise TooLargeError(f"the {role} has too many bytes; at most {limit} are taken")
    return data
