"""GET and DELETE /jobs/{id}, its picture, and a score's numbers."""

from typing import Annotated

from anyio.to_thread import run_sync
from fastapi import APIRouter, Header, Query, Response
from pydantic import BaseModel, ConfigDict, Field

from app.dependencies import JobId, ServicesDep
from app.imaging.render import grid_png, sample_png
from app.openapi import problems
from app.schemas import MAX_IMAGES, MAX_WAIT_S, Job, ScoreMap
from app.services.jobs import view
from worker.contract.events import Stage

router = APIRouter(tags=["jobs"])
_MAX_AGE_S = 3600


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


class PngResponse(Response):
    media_type = "image/png"


@router.get("/jobs/{job_id}", operation_id="get_job", responses=problems(404, 410, 422, 503))
async def get_job(job_id: JobId, query: Annotated[WaitQuery, Query()], services: ServicesDep) -> Job:
    """The job as it is, or, with `wait`, as it is once it has ended or the time is up."""
    job = await services.jobs.view(job_id)
    if query.wait == 0 or job.status.is_terminal:
        return job
    with services.seats.take():
        await services.row_feed.wait(job, query.wait)
    return await services.jobs.view(job_id)


@router.delete(
    "/jobs/{job_id}",
    operation_id="cancel_or_delete_job",
    status_code=202,
    responses={204: {"description": "It had ended; its results are deleted"}, **problems(404, 410, 503)},
    response_description="It was active and is asked to stop",
    response_model=Job,
)
async def cancel_or_delete(job_id: JobId, services: ServicesDep) -> Job | Response:
    """Cancel an active job (202, it ends with the event `canceled`), or delete what a finished one left (204)."""
    job = await services.jobs.cancel_or_delete(job_id)
    return Response(status_code=204) if job is None else job


@router.get(
    "/jobs/{job_id}/image",
    operation_id="get_image",
    response_class=PngResponse,
    responses={
        200: {"description": "PNG; seed, model and digest are in its text chunks"},
        304: {"description": "Unchanged"},
        **problems(404, 409, 410, 422, 503),
    },
)
async def get_image(
    job_id: JobId,
    query: Annotated[ImageQuery, Query()],
    services: ServicesDep,
    if_none_match: Annotated[str | None, Header()] = None,
) -> Response:
    """The picture as far as it is drawn; rows not drawn yet are black. 409 before the first row.

    Of a score it is the heat map: the bits of each pixel from black (0) over red and yellow to white (`uniform_bits`
    of the result, and above).
    """
    job = view(read := await services.store.read(job_id))
    assert read.record is not None
    headers = {"Cache-Control": "no-store"}
    if job.status.is_terminal:
        tag = f'"{job.id}.{query.stage}.{"grid" if query.grid else query.sample}.{query.scale}"'
        headers = {"Cache-Control": f"private, max-age={_MAX_AGE_S}, immutable", "ETag": tag}
        if if_none_match == tag:
            return Response(status_code=304, headers=headers)
    canvas = await services.pictures.canvas(read.record, query.stage)
    if query.grid:
        png = await run_sync(grid_png, canvas, query.scale, limiter=services.imaging)
    else:
        png = await run_sync(sample_png, canvas, query.sample, query.scale, limiter=services.imaging)
    return PngResponse(png, headers=headers)


@router.get("/jobs/{job_id}/score-map", operation_id="get_score_map", responses=problems(404, 409, 410, 503))
async def get_score_map(job_id: JobId, services: ServicesDep) -> ScoreMap:
    """The bits of every variable of a scored picture. 409 until it is scored, 404 where nothing was."""
    view(read := await services.store.read(job_id))
    assert read.record is not None
    return await services.pictures.score_map(read.record)
