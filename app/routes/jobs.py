"""GET /jobs, GET and DELETE /jobs/{id}, its picture, and a score's numbers."""

import contextlib
from collections.abc import AsyncIterator, Iterator
from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import ClientDep, JobId, Services, ServicesDep
from app.errors import BadParameterError
from app.imaging.render import grid_png, sample_png
from app.openapi import problems
from app.routes.streams import FollowingResponse
from app.schemas import MAX_IMAGES, MAX_WAIT_S, Job, JobList, ScoreMap
from app.services.followed_picture import FollowedPicture
from app.services.row_reader import Following
from worker.contract.events import Stage
from worker.contract.jobs import JobKind, JobRecord, JobStatus

router = APIRouter(tags=["jobs"])
_MAX_AGE_S = 3600


class ListQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    status: JobStatus | None = Field(default=None, description="Only jobs in this state.")
    kind: JobKind | None = Field(default=None, description="Only jobs of this kind.")
    limit: int = Field(default=50, ge=1, le=200, description="How many at most.")
    cursor: str | None = Field(default=None, max_length=200, description="`next_cursor` of the answer before.")


class WaitQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    wait: float = Field(
        default=0,
        ge=0,
        le=MAX_WAIT_S,
        allow_inf_nan=False,
        description="Answer when the job ends, or after these seconds.",
    )


class ImageQuery(BaseModel):
    model_config = ConfigDict(extra="forbid")
    sample: int = Field(default=0, ge=0, lt=MAX_IMAGES)
    scale: int = Field(default=1, ge=1, le=32, description="Side of the square that each pixel becomes.")
    stage: Stage = Field(default=Stage.FINAL, description="`small`: the image that a Multi-Scale model begins with.")
    grid: bool = Field(default=False, description="All samples in one near-square picture, a grey pixel between them.")
    follow: bool = Field(default=False, description="One sample, row by row as it is drawn, from the top.")


class PngResponse(Response):
    media_type = "image/png"


@router.get("/jobs", operation_id="list_jobs", responses=problems(401, 422, 503))
async def list_jobs(query: Annotated[ListQuery, Query()], services: ServicesDep, client: ClientDep) -> JobList:
    """Your jobs, newest first: those of your key, or all where there are no keys. Positions are in `GET /jobs/{id}`."""
    return await services.jobs.page(client.owner, query.status, query.kind, query.limit, query.cursor)


@router.get("/jobs/{job_id}", operation_id="get_job", responses=problems(401, 404, 410, 422, 503))
async def get_job(job_id: JobId, query: Annotated[WaitQuery, Query()], services: ServicesDep, client: ClientDep) -> Job:
    """The job as it is, or, with `wait`, as it is once it has ended or the time is up."""
    job = await services.jobs.view(job_id, client.owner)
    if query.wait == 0 or job.status.is_terminal:
        return job
    with services.seats.take():
        await services.row_feed.wait(job, query.wait)
    return await services.jobs.view(job_id)


@router.delete(
    "/jobs/{job_id}",
    operation_id="cancel_or_delete_job",
    status_code=202,
    responses={204: {"description": "It had ended; its results are deleted"}, **problems(401, 403, 404, 410, 503)},
    response_description="It was active and is asked to stop",
    response_model=Job,
)
async def cancel_or_delete(job_id: JobId, services: ServicesDep, client: ClientDep) -> Job | Response:
    """Cancel an active job (202, it ends with the event `canceled`), or delete what a finished one left (204)."""
    job = await services.jobs.cancel_or_delete(job_id, client.owner)
    return Response(status_code=204) if job is None else job


@router.get(
    "/jobs/{job_id}/image",
    operation_id="get_image",
    response_class=PngResponse,
    responses={
        200: {"description": "PNG; seed, model and digest are in its text chunks"},
        304: {"description": "Unchanged"},
        **problems(401, 404, 409, 410, 422, 503),
    },
)
async def get_image(
    job_id: JobId,
    query: Annotated[ImageQuery, Query()],
    services: ServicesDep,
    client: ClientDep,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The picture as far as it is drawn; rows not drawn yet are black. 409 before the first row.

    With `follow` it comes row by row, and is a whole PNG when the last one is in; if the job ends before, the
    connection is closed in the middle. Of a score it is the heat map: the bits of each pixel from black (0) over red
    and yellow to white (`uniform_bits` of the result, and above).
    """
    record = (await services.jobs.read(job_id, client.owner)).record
    assert record is not None
    if query.follow and query.grid:
        raise BadParameterError("follow: one sample at a time, not the grid")
    if query.follow and not record.status.is_terminal:
        return await _followed(record, query, services)
    headers = {"Cache-Control": "no-store"}
    if record.status.is_terminal:
        tag = f'"{job_id}.{query.stage}.{"grid" if query.grid else query.sample}.{query.scale}"'
        headers = {"Cache-Control": f"private, max-age={_MAX_AGE_S}, immutable", "ETag": tag}
        if if_none_match == tag:
            return Response(status_code=304, headers=headers)
    canvas = await services.pictures.canvas(record, query.stage)
    if query.grid:
        png = await run_sync(grid_png, canvas, query.scale, limiter=services.imaging)
    else:
        png = await run_sync(sample_png, canvas, query.sample, query.scale, limiter=services.imaging)
    return PngResponse(png, headers=headers)


async def _followed(record: JobRecord, query: ImageQuery, services: Services) -> FollowingResponse:
    picture = FollowedPicture(record.spec, query.sample, query.stage, query.scale)
    services.seats.expect_free()
    job = await services.jobs.view(record.spec.id)

    @contextlib.contextmanager
    def body() -> Iterator[tuple[Following, AsyncIterator[bytes]]]:
        with services.row_feed.follow(job, 0) as following:
            yield following, picture.chunks(services.row_feed, job, following)

    return FollowingResponse(body(), services.seats, "image/png", services.settings.stall_s, {})


@router.get("/jobs/{job_id}/score-map", operation_id="get_score_map", responses=problems(401, 404, 409, 410, 503))
async def get_score_map(job_id: JobId, services: ServicesDep, client: ClientDep) -> ScoreMap:
    """The bits of every variable of a scored picture. 409 until it is scored, 404 where nothing was."""
    record = (await services.jobs.read(job_id, client.owner)).record
    assert record is not None
    return await services.pictures.score_map(record)
