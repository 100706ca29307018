"""What there is to see of a job: GET /jobs/{id}/image, what is drawn; /given, what it began with; /score-map, the
numbers of a score; /marginals, what a completion expects of each pixel."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Header, Query, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import CallerDep, JobId, Services, ServicesDep
from app.errors import BadParameterError
from app.openapi import json_content, refusals
from app.request_bodies import MAX_IMAGES
from app.routes.preferences import Media, liked
from app.routes.streams import StreamedResponse
from app.schemas import MarginalMap, ScoreMap
from app.services.followed_picture import FollowedPicture
from app.services.row_reader import Follower
from worker.contract.events import Stage
from worker.contract.jobs import JobRecord

router = APIRouter(tags=["jobs"])
_MAX_AGE_S = 3600


class ImageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sample: int = Field(default=0, ge=0, lt=MAX_IMAGES)
    scale: int = Field(default=1, ge=1, le=32, description="Side of the square that each pixel becomes.")
    stage: Stage = Field(default=Stage.FINAL, description="`small`: the image that a Multi-Scale model begins with.")
    grid: bool = Field(default=False, description="All samples in one near-square picture, a grey pixel between them.")
    follow: bool = Field(default=False, description="One sample, row by row as it is drawn, from the top.")


class PngResponse(Response):
    media_type = "image/png"


def _png_responses(description: str, content: dict[str, Any] | None = None) -> dict[int | str, dict[str, Any]]:
    """What a call for a picture that may be kept answers, and `content` beside the picture."""
    kept = {200: {"description": description, "content": content or {}}, 304: {"description": "Unchanged"}}
    return {**kept, **refusals(401, 404, 409, 410, 422, 503)}


@router.get(
    "/jobs/{job_id}/image",
    operation_id="get_image",
    response_class=PngResponse,
    responses=_png_responses("PNG; seed, model and digest are in its text chunks"),
)
async def get_image(
    job_id: JobId,
    query: Annotated[ImageQuery, Query()],
    services: ServicesDep,
    caller: CallerDep,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The picture as far as it is drawn; rows not drawn yet are black. 409 before the first row.

    With `follow` it comes row by row, and is a whole PNG when the last one is in; if the job ends before, the
    connection is closed in the middle. Of a score it is the heat map: the bits of each pixel from black (0) over red
    and yellow to white (`uniform_bits` of the result, and above).
    """
    record = await services.jobs.record(job_id, caller.owner)
    if query.follow and query.grid:
        raise BadParameterError("follow: one sample at a time, not the grid")
    if query.follow and not record.status.is_terminal:
        return await _followed(record, query, services)
    headers = _caching(record, f"{query.stage}.{'grid' if query.grid else query.sample}.{query.scale}")
    if if_none_match is not None and if_none_match == headers.get("ETag"):
        return Response(status_code=304, headers=headers)
    sample = None if query.grid else query.sample
    return PngResponse(await services.pictures.png(record, query.stage, sample, query.scale), headers=headers)


def _caching(record: JobRecord, which: str) -> dict[str, str]:
    """A picture, or `which` of those there are, may be kept once the job has ended: from then on it never changes."""
    if not record.status.is_terminal:
        return {"Cache-Control": "no-store"}
    return {"Cache-Control": f"private, max-age={_MAX_AGE_S}, immutable", "ETag": f'"{record.spec.id}.{which}"'}


async def _followed(record: JobRecord, query: ImageQuery, services: Services) -> StreamedResponse:
    picture = FollowedPicture(record, query.sample, query.stage, query.scale)
    services.seats.expect_free()
    job = await services.jobs.view(record.spec.id)

    @contextlib.contextmanager
    def body() -> Iterator[tuple[Follower, AsyncIterator[bytes]]]:
        with services.row_feed.follow(job, 0) as follower:
            yield follower, picture.chunks(services.row_feed, job, follower)

    return StreamedResponse(body(), services.seats, "image/png", services.settings.stall_s, {})


class GivenQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    of: Literal["image", "mask"] = Field(
        default="image", description="`image`: the picture. `mask`: of a completion, white where it is filled."
    )


@router.get(
    "/jobs/{job_id}/given",
    operation_id="get_given",
    response_class=PngResponse,
    responses=_png_responses("PNG of the model's size"),
)
async def get_given(
    job_id: JobId,
    query: Annotated[GivenQuery, Query()],
    services: ServicesDep,
    caller: CallerDep,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """What was handed in with the request, as the job has it: whoever has its address sees how it began. 404 where
    nothing was."""
    record = await services.jobs.record(job_id, caller.owner)
    headers = _caching(record, f"given.{query.of}")
    if if_none_match is not None and if_none_match == headers.get("ETag"):
        return Response(status_code=304, headers=headers)
    return PngResponse(await services.pictures.given_png(record.spec, query.of), headers=headers)


@router.get("/jobs/{job_id}/score-map", operation_id="get_score_map", responses=refusals(401, 404, 409, 410, 503))
async def get_score_map(job_id: JobId, services: ServicesDep, caller: CallerDep) -> ScoreMap:
    """The bits of every variable of a scored picture. 409 until it is scored, 404 where nothing was."""
    record = await services.jobs.record(job_id, caller.owner)
    return await services.pictures.score_map(record)


class MarginalsQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    of: Literal["mean", "entropy"] = Field(
        default="mean", description="`mean`: the expected value of each pixel. `entropy`: how uncertain it is."
    )
    scale: int = Field(default=1, ge=1, le=32, description="Side of the square that each pixel of a PNG becomes.")


@router.get(
    "/jobs/{job_id}/marginals",
    operation_id="get_marginals",
    response_class=PngResponse,
    responses=_png_responses("PNG; with `Accept: application/json` the numbers", json_content(MarginalMap)),
)
async def get_marginals(
    job_id: JobId,
    query: Annotated[MarginalsQuery, Query()],
    services: ServicesDep,
    caller: CallerDep,
    request: Request,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """What a completion by `posterior` expects of each pixel, averaged over all its weighted draws.

    As a picture: a mean as the pixel that it would be; an entropy from black (0: certain, or given) to white (log2 of
    the number of values). As JSON the numbers, and from how many draws they come. 409 until the job has ended, 404
    where there are none.
    """
    record = await services.jobs.record(job_id, caller.owner)
    media = liked(request.headers.get("accept", ""), (Media.PNG, Media.JSON))
    headers = {**_caching(record, f"{query.of}.{query.scale}.{media.name}"), "Vary": "Accept"}
    if if_none_match is not None and if_none_match == headers.get("ETag"):
        return Response(status_code=304, headers=headers)
    found = await services.pictures.marginals(record, query.of)
    if media is Media.JSON:
        return JSONResponse(found.model_dump(), headers=headers)
    return PngResponse(await services.pictures.marginals_png(record.spec, found, query.scale), headers=headers)
