"""Pictures and other results of a job, below GET /jobs/{id}:

/image       what has been drawn
/given       the pictures with which the job began
/score-map   the bits of each variable, of a score
/marginals   the expected value of each pixel, of a completion
/blob        the file of an encoding
"""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from app.dependencies import CallerDep, JobId, Services, ServicesDep
from app.errors import BadParameterError
from app.imaging.render import MAX_SCALE, PictureFormat
from app.routes.caching import IfNoneMatch, kept_when_ended, unless_seen
from app.routes.known_query import KnownQueryRoute
from app.routes.picture_response import (
    PngResponse,
    inline_header,
    name_of,
    picture_response,
)
from app.routes.preferences import PICTURE_FORMATS, preferred_media
from app.routes.streams import StreamedResponse
from app.schema.answers import MarginalMap, ScoreMap
from app.schema.openapi import json_content, refusals
from app.schema.preference_headers import PICTURES, Media
from app.schema.request_bodies import MAX_IMAGES
from app.services.followed_picture import FollowedPicture
from app.services.row_reader import Follower
from worker.contract.coded_file import ENDING, MEDIA_TYPE
from worker.contract.events import Stage
from worker.contract.jobs import JobRecord

router = APIRouter(route_class=KnownQueryRoute, tags=["jobs"])
_ZIP = "application/zip"
_FOLLOWED = {"follow", "format", "sample", "scale", "stage"}
"""Options that may be given for a picture that is sent row by row."""
_ZIPPED = {"follow", "format", "scale", "stage"}
"""Options that may be given for a zip."""


class ImageQuery(BaseModel):
    """Query of GET /jobs/{id}/image."""

    sample: int = Field(default=0, ge=0, lt=MAX_IMAGES)
    scale: int = Field(
        default=1,
        ge=1,
        le=MAX_SCALE,
        description="Side of the square that each pixel becomes.",
    )
    stage: Stage = Field(
        default=Stage.FINAL,
        description="`small`: the small image that a Multi-Scale model draws first.",
    )
    grid: bool = Field(
        default=False,
        description="All samples in one picture that is nearly square, with grey "
        "lines between them.",
    )
    follow: bool = Field(
        default=False,
        description="One sample, sent row by row while it is drawn, from the top.",
    )
    format: Literal["png", "webp", "jpeg", "npy", "zip"] | None = Field(
        default=None,
        description="Overrides `Accept`. `png` contains the text that says how it "
        "was drawn. `webp` has the same pixels without that text. `jpeg` is smaller "
        "and lossy: its pixels differ from those that the model drew. `npy` is an "
        "array (n, C, H, W) of the model's values, of all samples unless `sample` is "
        "given. `zip` contains all samples, each as a PNG.",
    )

    def which(self, kind: PictureFormat) -> int | None:
        """Return the sample to show, or None for all samples in a grid or an array.

        kind: format of the answer.
        """
        every = kind is PictureFormat.NPY and "sample" not in self.model_fields_set
        return None if self.grid or every else self.sample

    def tag(self, ending: str) -> str:
        """Return what identifies the answer among all pictures of the job: every option
        that was given, and the ending of the file."""
        given = self.model_dump(
            mode="json", exclude_unset=True, exclude={"follow", "format"}
        )
        return ".".join([*(f"{name}-{given[name]}" for name in given), ending])


class _CodedFile(Response):
    """The file of an encoding."""

    media_type = MEDIA_TYPE


def _kept_responses(
    description: str, content: dict[str, Any] | None = None
) -> dict[int | str, dict[str, Any]]:
    """Return the responses of a call for a picture or file that clients may cache.

    content: of the 200.
    """
    kept = {
        200: {"description": description, "content": content or {}},
        304: {"description": "Unchanged"},
    }
    return {**kept, **refusals(401, 404, 409, 410, 422, 503)}


@router.get(
    "/jobs/{job_id}/image",
    operation_id="get_image",
    response_class=PngResponse,
    responses=_kept_responses(
        "The picture: a PNG with seed, model and digest in its text chunks, or another "
        "format that the client prefers",
        {Media.WEBP: {}, Media.JPEG: {}, Media.NPY: {}, _ZIP: {}},
    ),
)
async def get_image(
    job_id: JobId,
    query: Annotated[ImageQuery, Query()],
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The picture as far as it is drawn; rows that are not drawn yet are black. 409
    before the first row, 404 if the job ended without one or draws nothing.

    With `follow` it is sent row by row, and is a complete PNG with its last row; if the
    job ends before that, the connection is closed. For a score it is the heat map: the bits
    of each pixel from black (0) over red and yellow to white (`uniform_bits` of the
    result, and above).
    """
    record = await services.jobs.record(job_id, caller.owner)
    _expect_effect(query)
    if query.follow and not record.status.is_terminal:
        return await _followed_answer(record, query, services, caller.account)
    if query.format == "zip":
        return await _zip_answer(record, query, services, caller.account, if_none_match)
    kind = _format(query, request)
    sample = query.which(kind)
    headers = {**kept_when_ended(record, query.tag(kind.value)), "Vary": "Accept"}

    async def make() -> Response:
        picture = await services.pictures.picture(
            record, query.stage, sample, query.scale, kind
        )
        return picture_response(
            picture, kind, name_of(job_id, query.stage, sample), headers
        )

    return await unless_seen(if_none_match, headers, make)


def _expect_effect(query: ImageQuery) -> None:
    """Raise BadParameterError for an option that the answer would ignore."""
    if query.follow and query.format not in (None, PictureFormat.PNG):
        raise BadParameterError("format: follow sends PNG: expected no other format")
    asked = {
        name
        for name in query.model_fields_set
        if name == "sample"  # sample=0 in a zip of all asks for something
        or getattr(query, name) != ImageQuery.model_fields[name].default
    }
    for how, is_so, known in (
        ("follow, which sends one sample", query.follow, _FOLLOWED),
        ("format=zip, which has all samples", query.format == "zip", _ZIPPED),
    ):
        if is_so and (ignored := sorted(asked - known)):
            raise BadParameterError(f"{ignored[0]}: has no effect with {how}")


def _format(query: ImageQuery, request: Request) -> PictureFormat:
    if query.format is not None:
        return PictureFormat(query.format)
    return PICTURE_FORMATS[preferred_media(request.headers.get("accept", ""), PICTURES)]


async def _zip_answer(
    record: JobRecord,
    query: ImageQuery,
    services: Services,
    account: str,
    if_none_match: str | None,
) -> Response:
    headers = kept_when_ended(record, query.tag("zip"))
    name = name_of(record.spec.id, query.stage, None).removesuffix("-grid")

    async def make() -> Response:
        archive = await services.pictures.archive(record, query.stage, query.scale)
        services.pictures.expect_room(archive, account)
        services.seats.expect_free(account)
        named = {**headers, "Content-Disposition": f'attachment; filename="{name}.zip"'}
        body = services.pictures.sending(archive, account)
        return StreamedResponse(
            body, services.seats.hold(account), _ZIP, services.settings.stall_s, named
        )

    return await unless_seen(if_none_match, headers, make)


async def _followed_answer(
    record: JobRecord, query: ImageQuery, services: Services, account: str
) -> StreamedResponse:
    picture = FollowedPicture(
        record, query.sample, query.stage, query.scale, services.settings.mark
    )
    job = await services.jobs.view(record.spec.id)
    # Last, as in app.routes.events.
    services.seats.expect_free(account)

    @contextlib.contextmanager
    def body() -> Iterator[tuple[Follower, AsyncIterator[bytes]]]:
        with services.row_feed.follow(job, 0) as follower:
            yield follower, picture.chunks(services.row_feed, job, follower)

    named = inline_header(f"{name_of(job.id, query.stage, query.sample)}.png")
    return StreamedResponse(
        body(),
        services.seats.hold(account),
        Media.PNG,
        services.settings.stall_s,
        named,
    )


Picture = Annotated[
    int,
    Field(
        ge=0,
        lt=MAX_IMAGES,
        description="Index of the picture, for a job of several pictures.",
    ),
]


class GivenQuery(BaseModel):
    """Query of GET /jobs/{id}/given."""

    of: Literal["image", "mask"] = Field(
        default="image",
        description="`image`: the picture. `mask`: of a completion, white for "
        "pixels to fill.",
    )
    picture: Picture = 0


@router.get(
    "/jobs/{job_id}/given",
    operation_id="get_given",
    response_class=PngResponse,
    responses=_kept_responses(
        "PNG of the model's size, or the array of its values", {Media.NPY: {}}
    ),
)
async def get_given(
    job_id: JobId,
    query: Annotated[GivenQuery, Query()],
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The picture or mask that was sent with the request, in the size and the values in
    which the job uses it. 404 if none was sent."""
    record = await services.jobs.record(job_id, caller.owner)
    kind = PICTURE_FORMATS[
        preferred_media(request.headers.get("accept", ""), (Media.PNG, Media.NPY))
    ]
    ending = "" if kind is PictureFormat.PNG else f".{kind.value}"
    headers = {
        **kept_when_ended(record, f"given.{query.of}.{query.picture}{ending}"),
        "Vary": "Accept",
    }

    async def make() -> Response:
        picture = await services.pictures.input_picture(
            record.spec, query.of, query.picture, kind
        )
        return picture_response(picture, kind, f"{job_id}-given-{query.of}", headers)

    return await unless_seen(if_none_match, headers, make)


@router.get(
    "/jobs/{job_id}/blob",
    operation_id="get_blob",
    response_class=_CodedFile,
    responses=_kept_responses("The file"),
)
async def get_blob(
    job_id: JobId,
    services: ServicesDep,
    caller: CallerDep,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The file of `POST /encode`. 409 until the pictures are encoded, 404 if there is
    none."""
    record = await services.jobs.record(job_id, caller.owner)
    headers = kept_when_ended(record, "blob")
    named = {
        **headers,
        "Content-Disposition": f'attachment; filename="{job_id}{ENDING}"',
    }

    async def make() -> Response:
        return _CodedFile(await services.pictures.blob(record), headers=named)

    return await unless_seen(if_none_match, headers, make)


@router.get(
    "/jobs/{job_id}/score-map",
    operation_id="get_score_map",
    responses=refusals(401, 404, 409, 410, 422, 503),
)
async def get_score_map(
    job_id: JobId,
    services: ServicesDep,
    caller: CallerDep,
    picture: Annotated[Picture, Query()] = 0,
) -> ScoreMap:
    """The bits of every variable of a scored picture. 409 until it is scored, 404 if
    the job is no score."""
    record = await services.jobs.record(job_id, caller.owner)
    return await services.pictures.score_map(record, picture)


class MarginalsQuery(BaseModel):
    """Query of GET /jobs/{id}/marginals."""

    of: Literal["mean", "entropy"] = Field(
        default="mean",
        description="`mean`: the expected value of each pixel. `entropy`: its "
        "uncertainty.",
    )
    scale: int = Field(
        default=1,
        ge=1,
        le=32,
        description="Side of the square that each pixel of a PNG becomes.",
    )
    picture: Picture = 0


@router.get(
    "/jobs/{job_id}/marginals",
    operation_id="get_marginals",
    response_class=PngResponse,
    responses=_kept_responses(
        "PNG; with `Accept: application/json` the numbers", json_content(MarginalMap)
    ),
)
async def get_marginals(
    job_id: JobId,
    query: Annotated[MarginalsQuery, Query()],
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    if_none_match: IfNoneMatch = None,
) -> Response:
    """The mean or the entropy of each pixel of a completion by `posterior`, over all
    its weighted draws.

    A picture shows a mean as the pixel that it stands for, and an entropy from black
    (0: certain, or given) to white (log2 of the number of values). JSON contains the
    numbers, and how many draws they come from. 409 until the job has ended, 404 if
    there are none.
    """
    record = await services.jobs.record(job_id, caller.owner)
    media = preferred_media(request.headers.get("accept", ""), (Media.PNG, Media.JSON))
    kept = kept_when_ended(
        record,
        f"{query.of}.{query.picture}.{query.scale}.{media.name}",
        packed=media is Media.JSON,
    )
    headers = {**kept, "Vary": "Accept"}

    async def make() -> Response:
        found = await services.pictures.marginals(record, query.of, query.picture)
        if media is Media.JSON:
            return JSONResponse(found.model_dump(), headers=headers)
        picture = await services.pictures.marginals_png(record.spec, found, query.scale)
        return picture_response(
            picture, PictureFormat.PNG, f"{job_id}-{query.of}", headers
        )

    return await unless_seen(if_none_match, headers, make)
