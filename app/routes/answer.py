"""A POST that made a job is answered: with the job, with the finished job, with its events, or with the picture."""

import math

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from app.dependencies import Services
from app.errors import NotInTimeError, RefusedError, UnfinishedJobError
from app.problems import headers_of, problem_of
from app.routes.event_stream import event_stream
from app.routes.picture_response import name_of, picture_response
from app.routes.preferences import PICTURE_FORMATS, Preferences
from app.routes.waiting import applied_header, waited_for
from app.schema.answers import PROBLEM_TYPE, Job
from app.schema.preference_headers import Media
from app.schema.rate_limit_headers import rate_limit_headers
from app.services.submission import Submitted
from worker.contract.events import Stage
from worker.contract.jobs import JobStatus


async def answer(
    submitted: Submitted, wanted: Preferences, request: Request
) -> Response:
    """Answer as the client prefers. When the job takes longer than the client waits, it gets the unfinished job; where
    it waits for a picture, a problem, so that no document is kept as one."""
    services: Services = request.app.state.services
    account = request.scope["state"]["caller"].account
    job, headers = (
        submitted.job,
        {"Location": submitted.job.links.self, **rate_limit_headers(submitted.quotas)},
    )
    if submitted.again:
        headers["Idempotent-Replayed"] = "true"
    if wanted.media is Media.EVENTS:
        return event_stream(services, job, 0, headers, account)
    if wanted.wait_s:
        headers |= applied_header(wanted.wait_s)
        job = await waited_for(job, wanted.wait_s, services, request.receive, account)
    if wanted.media in PICTURE_FORMATS and job.status is JobStatus.SUCCEEDED:
        return await _picture(job, wanted, headers, services)
    if wanted.media in PICTURE_FORMATS and wanted.wait_s:
        problem = problem_of(error := _why_no_picture(job))
        return JSONResponse(
            problem.model_dump(exclude_none=True),
            problem.status,
            {**headers, **headers_of(error)},
            PROBLEM_TYPE,
        )
    status = 200 if wanted.wait_s and job.status.is_terminal else 202
    return Response(job.model_dump_json(), status, headers, Media.JSON)


def _why_no_picture(job: Job) -> RefusedError:
    if job.status.is_terminal:
        why = job.error.detail if job.error else f"it is {job.status}"
        return UnfinishedJobError(f"the picture of job {job.id} is not there: {why}")
    waits = f", and waits for {job.waits_for}" if job.waits_for else ""
    then = f"get {job.links.self}?wait=30 until it has succeeded, then {job.links.image}; or repeat this request"
    detail = f"job {job.id} is {job.status}{waits}: {then} with its Idempotency-Key"
    return NotInTimeError(detail, retry_after_s=max(1, math.ceil(job.eta_s or 0)))


async def _picture(
    job: Job, wanted: Preferences, headers: dict[str, str], services: Services
) -> Response:
    """The only sample, or all of them in a grid; where none is drawn the expected one."""
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
