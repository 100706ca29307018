"""The pictures of shared links: each drawn once, one at a time, behind all other work."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from app.errors import RefusedError
from app.imaging.render import PictureFormat
from app.imaging.share_card import card_of
from app.schema.answers import Job, Model
from app.schema.job_options import JobOptions
from app.services.jobs import Jobs
from app.services.models import Models
from app.services.pictures import Pictures
from app.services.row_feed import RowFeed
from app.services.submission import RequestIdentity, Submission, with_key
from worker.contract.events import Stage
from worker.contract.jobs import JobStatus, Priority
from worker.contract.kind import BadOptionError
from worker.contract.kinds import sample
from worker.contract.labels import label_name

PATIENCE_S = 10.0
"""Seconds that a look for a preview waits, at most."""
_KEPT = 256


class _Recipe(NamedTuple):
    model: str
    seed: int
    temperature: float
    label: str | None


class ShareCards:
    """`imaging` bounds how many pictures are made at once. Cards are kept as long as the process lives, the newest."""

    def __init__(
        self,
        models: Models,
        submission: Submission,
        jobs: Jobs,
        rows: RowFeed,
        pictures: Pictures,
        imaging: CapacityLimiter,
        patience_s: Callable[[], float] = lambda: PATIENCE_S,
    ) -> None:
        self._models = models
        self._submission = submission
        self._jobs = jobs
        self._rows = rows
        self._pictures = pictures
        self._imaging = imaging
        self._patience_s = patience_s
        self._kept: OrderedDict[_Recipe, bytes] = OrderedDict()
        self._turn = asyncio.Lock()

    async def card(
        self, identity: RequestIdentity, name: str, seed: int, temperature: float, label: str | None
    ) -> bytes | None:
        """A PNG; None where it cannot be drawn in time, or at all."""
        try:
            async with asyncio.timeout(self._patience_s()):
                model = await self._models.find_for(sample.KIND.word, name, identity.caller)
                recipe = _Recipe(
                    model.identity_or_digest, seed, temperature, None if label is None else label_name(label, model)
                )
                async with self._turn:
                    if recipe not in self._kept:
                        self._keep(recipe, await self._new_card(identity, model, recipe))
                    return self._kept[recipe]
        except (RefusedError, BadOptionError, TimeoutError):
            return None

    def _keep(self, recipe: "_Recipe", card: bytes) -> None:
        self._kept[recipe] = card
        while len(self._kept) > _KEPT:
            self._kept.popitem(last=False)

    async def _new_card(self, identity: RequestIdentity, model: Model, recipe: "_Recipe") -> bytes:
        own = sample.SampleOptions(label=recipe.label)
        options = JobOptions(own, recipe.seed, temperature=recipe.temperature, priority=Priority.BULK)
        job = await self._drawing_job(identity, model, options)
        while not job.status.is_terminal:
            if not await self._rows.wait(job, self._patience_s()):
                raise TimeoutError
            job = await self._jobs.view(job.id)
        if job.status is not JobStatus.SUCCEEDED:
            raise TimeoutError
        record = await self._jobs.record(job.id)
        picture = await self._pictures.picture(record, Stage.FINAL, 0, 1, PictureFormat.PNG)
        return await run_sync(card_of, picture, limiter=self._imaging)

    async def _drawing_job(self, identity: RequestIdentity, model: Model, options: JobOptions) -> Job:
        """The job that draws the picture; whoever comes again while it is drawn waits for the same one."""
        fields = {
            "card": model.identity_or_digest,
            "seed": options.seed,
            "temperature": options.temperature,
            **options.own.stored_fields(),
        }
        named = with_key(replace(identity), str(fields), sample.KIND.word, fields, ())
        known = await self._submission.known(named)
        if known is None:
            await self._submission.expect_room()
            known = await self._submission.submit(named, sample.KIND.word, model, options, None)
        return known.job
