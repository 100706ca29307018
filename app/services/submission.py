"""From a checked request to a queued job."""

import secrets
from typing import Any

from app.imaging.given import GivenPixels
from app.schemas import CompleteForm, Job, Model, SampleRequest, UpsampleForm
from app.services.jobs import Jobs
from app.store import Store
from worker.contract.jobs import MAX_SEED, JobKind, JobSpec

_ID_BYTES = 16
"""128 random bits: an id cannot be guessed, and never comes twice."""

_NOTHING_TO_DRAW = {"seed": 0, "n": 1, "temperature": 1.0}


class Submission:
    """The model must do the kind of work: `Models.find_for`."""

    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs

    async def sample(self, request: SampleRequest, model: Model) -> Job:
        return await self._accept(_spec(JobKind.SAMPLE, model, **_drawing(request)))

    async def complete(self, form: CompleteForm, model: Model, given: GivenPixels) -> Job:
        spec = _spec(JobKind.COMPLETE, model, **_drawing(form), filled_pixels=given.filled)
        return await self._accept(spec, given.pixels, given.keep)

    async def upsample(self, form: UpsampleForm, model: Model, small: bytes) -> Job:
        return await self._accept(_spec(JobKind.UPSAMPLE, model, **_drawing(form)), small)

    async def score(self, model: Model, picture: bytes) -> Job:
        return await self._accept(_spec(JobKind.SCORE, model, **_NOTHING_TO_DRAW), picture)

    async def _accept(self, spec: JobSpec, pixels: bytes | None = None, keep: bytes = b"") -> Job:
        await self._store.accept(spec, pixels, keep)
        return await self._jobs.view(spec.id)


def _drawing(request: SampleRequest | CompleteForm | UpsampleForm) -> dict[str, Any]:
    seed = secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed
    return {"seed": seed, "n": request.n, "temperature": request.temperature}


def _spec(kind: JobKind, model: Model, **fields: Any) -> JobSpec:
    return JobSpec(
        id=secrets.token_urlsafe(_ID_BYTES),
        kind=kind,
        model=model.name,
        digest=model.digest,
        height=model.height,
        width=model.width,
        channels=model.channels,
        small_height=model.small_height,
        small_width=model.small_width,
        **fields,
    )
