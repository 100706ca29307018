"""Where a POST that draws is taken in and answered: as a job, as the finished job, as its events, or as the picture."""

import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import StrEnum

from anyio.to_thread import run_sync
from fastapi import Request, Response
from pydantic import BaseModel

from app.clients import Client
from app.dependencies import Services
from app.errors import BadParameterError
from app.imaging.render import grid_png, sample_png
from app.routes.streams import FollowingResponse
from app.schemas import MAX_KEY_LENGTH, MAX_WAIT_S, Job
from app.services.row_reader import Following
from app.services.submission import Submitted, Wish, body_digest
from worker.contract.events import Stage
from worker.contract.jobs import JobKind, JobStatus

_WAIT = re.compile(r"(?:^|[,;\s])wait\s*=\s*\"?([0-9]{1,6})\b", re.IGNORECASE)
_QUALITY = re.compile(r";\s*q=([0-9.]+)")


class Media(StrEnum):
    JSON = "application/json"
    EVENTS = "text/event-stream"
    PNG = "image/png"


@dataclass(frozen=True)
class Desk:
    """One POST: who sent it, and how it wants to be answered."""

    services: Services
    client: Client
    request_id: str
    media: Media
    wait_s: int
    """0 = at once."""
    key: str | None

    def wish(self, kind: JobKind, request: BaseModel, *files: bytes) -> Wish:
        """`files` are those of the request. TooManyStreamsError when the answer would need a seat and there is none."""
        if self.wait_s or self.media is Media.EVENTS:
            self.services.seats.expect_free()
        if self.key is None:
            return Wish(self.client, self.request_id)
        key = hashlib.sha256(self.key.encode()).hexdigest()
        return Wish(
            self.client, self.request_id, key, body_digest(kind, request.model_dump(exclude={"image", "mask"}), *files)
        )

    async def answer(self, submitted: Submitted) -> Response:
        job, headers = submitted.job, {"Location": submitted.job.links.self}
        if submitted.again:
            headers["Idempotent-Replayed"] = "true"
        if self.media is Media.EVENTS:
            return event_stream(self.services, job, 0, headers)
        if self.wait_s:
            headers["Preference-Applied"] = f"wait={self.wait_s}"
            if not job.status.is_terminal:
                with self.services.seats.held():
                    await self.services.row_feed.wait(job, self.wait_s)
                job = await self.services.jobs.view(job.id)
        if self.media is Media.PNG and job.status is JobStatus.SUCCEEDED:
            return await self._picture(job, headers)
        status = 200 if self.wait_s and job.status.is_terminal else 202
        return Response(job.model_dump_json(), status, headers, Media.JSON)

    async def _picture(self, job: Job, headers: dict[str, str]) -> Response:
        """The sample, or all of them in a grid."""
        read = await self.services.jobs.read(job.id)
        assert read.record is not None
        canvas = await self.services.pictures.canvas(read.record, Stage.FINAL)
        limiter = self.services.imaging
        if job.n > 1:
            png = await run_sync(grid_png, canvas, 1, limiter=limiter)
        else:
            png = await run_sync(sample_png, canvas, 0, 1, limiter=limiter)
        return Response(png, 200, {**headers, "X-Job-Id": job.id, "X-Seed": str(job.seed)}, Media.PNG)


def event_stream(services: Services, job: Job, after: int, headers: dict[str, str]) -> FollowingResponse:
    """The job's events from the entry behind `after`."""

    @contextlib.contextmanager
    def body() -> Iterator[tuple[Following, AsyncIterator[bytes]]]:
        with services.row_feed.follow(job, after) as following:
            yield following, services.row_feed.events(job, following)

    return FollowingResponse(body(), services.seats, Media.EVENTS, services.settings.stall_s, headers)


def desk_of(request: Request) -> Desk:
    """BadParameterError for an `Idempotency-Key` that is none. Headers are declared in app.openapi: FastAPI would take
    as long to look at each as everything here together."""
    headers, state = request.headers, request.scope["state"]
    key = headers.get("idempotency-key")
    if key is not None and not 1 <= len(key) <= MAX_KEY_LENGTH:
        raise BadParameterError(f"Idempotency-Key: expected 1 to {MAX_KEY_LENGTH} characters")
    wanted = _WAIT.search(headers.get("prefer", ""))
    return Desk(
        services=request.app.state.services,
        client=state["client"],
        request_id=state["request_id"],
        media=_media(headers.get("accept", "")),
        wait_s=min(int(wanted[1]), MAX_WAIT_S) if wanted else 0,
        key=key,
    )


def _media(accept: str) -> Media:
    """What is liked best of what there is; JSON where nothing is."""
    best, liking = Media.JSON, 0.0
    for part in accept.split(","):
        name = part.partition(";")[0].strip().lower()
        if name in tuple(Media) and (quality := _quality(part)) > liking:
            best, liking = Media(name), quality
    return best


def _quality(part: str) -> float:
    found = _QUALITY.search(part)
    try:
        return float(found[1]) if found else 1.0
    except ValueError:
        return 0.0
