"""The response to a POST that made a job: the job, the finished job, its events, or its
picture."""

import math

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from app.dependencies import Services
from app.errors import NotInTimeError, RefusedError, UnfinishedJobError
from app.problems import headers_of, problem_of
from app.quotas import rate_limit_headers
from app.routes.event_stream import event_stream
from app.routes.picture_response import name_of, picture_response
from app.routes.preferences import PICTURE_FORMATS, Preferences
from app.routes.waiting import applied_header, waited_for
from app.schema.answers import PROBLEM_TYPE, Job
from app.schema.preference_headers import Media
from app.services.submission import Submitted
from worker.contract.events import Stage
from worker.contract.jobs import JobStatus


async def answer(
    submitted: Submitted, wanted: Preferences, request: Request
) -> Response:
    """Return the response to a POST that made or found a job, in the media type that
    the client prefers.

    A stream of events begins at once. Otherwise the response waits for as long as the
    client asks, and is the job as JSON: with 200 if the wait has seen its end, else
    with 202. If the client prefers a picture and the job has succeeded, it is that
    picture with 200. A client that asked to wait for a picture and gets none gets a
    problem (UnfinishedJobError if the job has ended otherwise, NotInTimeError if it
    goes on), so that it does not store a document as a picture.
    """
    services: Services = request.app.state.services
    account = request.scope["state"]["caller"].account
    job = submitted.job
    headers = {"Location": job.links.self, **rate_limit_headers(submitted.quotas)}
    if submitted.again:
        headers["Idempotent-Replayed"] = "true"

    if wanted.media is Media.EVENTS:
        return event_stream(services, job, 0, headers, account)
    if wanted.was_asked_to_wait:
        headers |= applied_header(wanted.wait_s)
    if wanted.wait_s:
        job = await waited_for(job, wanted.wait_s, services, request.receive, account)

    wants_picture = wanted.media in PICTURE_FORMATS
    if wants_picture and job.status is JobStatus.SUCCEEDED:
        return await _picture(job, wanted, headers, services)
    is_over = job.status.is_terminal and wanted.wait_s > 0
    if wants_picture and (wanted.was_asked_to_wait or is_over):
        error = _why_no_picture(job)
        problem = problem_of(error)
        return JSONResponse(
            problem.model_dump(exclude_none=True),
            problem.status,
            {**headers, **headers_of(error)},
            PROBLEM_TYPE,
        )
    status = 200 if is_over else 202
    return Response(job.model_dump_json(), status, headers, Media.JSON)


def _why_no_picture(job: Job) -> RefusedError:
    if job.status.is_terminal:
        why = job.error.detail if job.error else f"it is {job.status}"
        return UnfinishedJobError(f"the picture of job {job.id} is not there: {why}")
    waits = f", and waits for {job.waits_for}" if job.waits_for else ""
    detail = (
        f"job {job.id} is {job.status}{waits}: get {job.links.self}?wait=30 until it "
        f"has succeeded, then {job.links.image}; or repeat this request with its "
        "Idempotency-Key"
    )
    retry_s = max(1, math.ceil(job.eta_s or 0))
    return NotInTimeError(detail, retry_after_s=retry_s)


async def _picture(
    job: Job, wanted: Preferences, headers: dict[str, str], services: Services
) -> Response:
    """Return the picture of a job that has succeeded: its only sample, all samples in a
    grid, or the expected picture if it draws no sample."""
    kind = PICTURE_FORMATS[wanted.media]
    record = await services.jobs.record(job.id)
    sample = 0 if job.n <= 1 else None
    picture = await services.pictures.picture(
        record, Stage.FINAL, sample, wanted.scale, kind
    )
    headers |= {"X-Job-Id": job.id, "X-Seed": str(job.seed)}
    return picture_response(
        picture, kind, name_of(job.id, Stage.FINAL, sample), headers
    )
