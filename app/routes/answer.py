"""A POST that made a job is answered: with the job, with the finished job, with its events, or with the picture."""

from fastapi import Response

from app.dependencies import Services
from app.routes.event_stream import event_stream
from app.routes.preferences import Media, Preferences
from app.schemas import Job
from app.services.submission import Submitted
from worker.contract.events import Stage
from worker.contract.jobs import JobStatus


async def answer(submitted: Submitted, wanted: Preferences, services: Services) -> Response:
    """Answer as the client prefers. When the job takes longer than the client waits, it gets the unfinished job."""
    job, headers = submitted.job, {"Location": submitted.job.links.self}
    if submitted.again:
        headers["Idempotent-Replayed"] = "true"
    if wanted.media is Media.EVENTS:
        return event_stream(services, job, 0, headers)
    if wanted.wait_s:
        headers["Preference-Applied"] = f"wait={wanted.wait_s}"
        job = await _waited_for(job, wanted.wait_s, services)
    if wanted.media is Media.PNG and job.status is JobStatus.SUCCEEDED:
        return await _picture(job, headers, services)
    status = 200 if wanted.wait_s and job.status.is_terminal else 202
    return Response(job.model_dump_json(), status, headers, Media.JSON)


async def _waited_for(job: Job, seconds: int, services: Services) -> Job:
    if job.status.is_terminal:
        return job
    with services.seats.held():
        await services.row_feed.wait(job, seconds)
    return await services.jobs.view(job.id)


async def _picture(job: Job, headers: dict[str, str], services: Services) -> Response:
    """The only sample, or all of them in a grid."""
    record = await services.jobs.record(job.id)
    png = await services.pictures.png(record, Stage.FINAL, sample=0 if job.n == 1 else None, scale=1)
    return Response(png, 200, {**headers, "X-Job-Id": job.id, "X-Seed": str(job.seed)}, Media.PNG)
