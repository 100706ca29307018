"""From a checked request to a queued job."""

import secrets

from app.errors import BadParameterError
from app.imaging.given import GivenPixels
from app.schemas import CompleteForm, Job, Model, SampleRequest
from app.services.jobs import Jobs
from app.store import Store
from worker.contract.jobs import MAX_SEED, JobKind, JobSpec

_ID_BYTES = 16
"""128 random bits: an id cannot be guessed, and never comes twice."""


class Submission:
    def __init__(self, store: Store, jobs: Jobs) -> None:
        self._store = store
        self._jobs = jobs

    async def sample(self, request: SampleRequest, model: Model) -> Job:
        return await self._accept(_spec(JobKind.SAMPLE, request, model))

    async def complete(self, form: CompleteForm, model: Model, given: GivenPixels) -> Job:
        spec = _spec(JobKind.COMPLETE, form, model, filled_pixels=given.filled)
        return await self._accept(spec, given)

    async def _accept(self, spec: JobSpec, given: GivenPixels | None = None) -> Job:
        pixels, keep = (None, None) if given is None else (given.pixels, given.keep)
        await self._store.accept(spec, pixels, keep)
        return await self._jobs.view(spec.id)


def _spec(
    kind: JobKind, request: SampleRequest | CompleteForm, model: Model, filled_pixels: int | None = None
) -> JobSpec:
    """Raises BadParameterError for a model that does not do this kind of work."""
    if kind not in model.can:
        raise BadParameterError(f"this model can: {', '.join(model.can)}")
    return JobSpec(
        id=secrets.token_urlsafe(_ID_BYTES),
        kind=kind,
        model=model.name,
        digest=model.digest,
        seed=secrets.randbelow(MAX_SEED + 1) if request.seed is None else request.seed,
        n=request.n,
        temperature=request.temperature,
        height=model.height,
        width=model.width,
        channels=model.channels,
        filled_pixels=filled_pixels,
    )
