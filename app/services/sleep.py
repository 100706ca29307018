"""Jobs that are accepted while no worker runs: which models they may ask for, and the end
of those for which no worker comes. Every API with `PIXELRNN_ASLEEP` does this; a script
lets only one of them end a job."""

import asyncio
import time
from typing import NoReturn

import structlog

from app.redis_connections import STORE_TROUBLE
from app.services.fleet import Fleet, FleetWatch
from app.store import BATCH, Store
from worker.contract.cards import WorkerInfo
from worker.contract.jobs import JobError, JobRecord, JobStatus
from worker.contract.kinds.add import KIND as ADD
from worker.contract.kinds.train import KIND as TRAIN

_LOOK_S = 1.0
_REWRITE_S = 60.0
"""Seconds after which unchanged announcements are written again, with their new time."""
_AFTER_A_BUG_S = 10.0
_log = structlog.get_logger("pixelrnn.api")


class Sleep:
    """Remembers live workers, and fails jobs for which none comes, in the background."""

    def __init__(self, store: Store, fleet: FleetWatch, limit_s: float) -> None:
        """limit_s: seconds within which a worker must come, for messages."""
        self._store = store
        self._fleet = fleet
        self._error = JobError(
            type="no-worker",
            title="No worker has come",
            detail=f"No worker that can do this job was started within {limit_s:g} "
            "seconds after it was accepted. Submit it again.",
        )
        self._written: dict[str, tuple[list[str], float]] = {}
        """Queue -> announcements as last written, and the time of this process."""

    async def run(self) -> NoReturn:
        """Look every second. Errors are logged; cancel it to end it."""
        while True:
            try:
                fleet = await self._fleet.fresh()
                await self._remember(fleet)
                await self._look(fleet)
            except STORE_TROUBLE:  # every request reports it
                pass
            except Exception as error:  # an outermost handler: the next look goes on
                _log.error("sleeping jobs not looked at", exc_info=error)
                await asyncio.sleep(_AFTER_A_BUG_S)
            await asyncio.sleep(_LOOK_S)

    async def _remember(self, fleet: Fleet) -> None:
        live: dict[str, set[str]] = {}
        for worker in (*fleet.workers, *fleet.trainers):
            live.setdefault(worker.queue, set()).add(_remembered(worker).entry())
        for queue, entries in live.items():
            texts = sorted(entries)
            before, at = self._written.get(queue, ([], 0.0))
            if texts != before or time.monotonic() > at + _REWRITE_S:
                await self._store.remember(queue, fleet.load.now, texts)
                self._written[queue] = texts, time.monotonic()

    async def _look(self, fleet: Fleet) -> None:
        """Let jobs wait without a limit once a worker for them is there; fail those
        whose limit has passed."""
        asleep = await self._store.asleep()
        if fleet.workers or fleet.trainers:
            for job_id in await self._awake(list(asleep), fleet):
                del asleep[job_id]
        for job_id, at in asleep.items():
            if at <= fleet.load.now:
                await self._store.fail_asleep(job_id, self._error)

    async def _awake(self, job_ids: list[str], fleet: Fleet) -> list[str]:
        """Remove the jobs for which a worker has come, or that wait no more, from those
        with a limit; return them."""
        found: list[str] = []
        for i in range(0, len(job_ids), BATCH):
            ids = job_ids[i : i + BATCH]
            records = [read.record for read in await self._store.records(ids)]
            found += [
                job_id
                for job_id, record in zip(ids, records, strict=True)
                if record is None or _has_come(record, fleet)
            ]
        await self._store.wake(found)
        return found


def _remembered(worker: WorkerInfo) -> WorkerInfo:
    """Return what is remembered of a worker: the same for all that serve the same
    models, ready or not."""
    ready = {"compiling": False, "cold": False, "unloaded": False}
    models = (card.model_copy(update=ready) for card in worker.models)
    return WorkerInfo(
        name="",
        device=worker.device,
        slots=worker.slots,
        models=tuple(models),
        started_at=0,
        queue=worker.queue,
        version=worker.version,
    )


def _has_come(record: JobRecord, fleet: Fleet) -> bool:
    if record.status is not JobStatus.QUEUED:
        return True
    if record.spec.kind == ADD.word:  # any worker will examine the model
        return bool(fleet.workers)
    crew = fleet.trainers if record.spec.kind == TRAIN.word else fleet.workers
    return any(worker.takes(record.spec) for worker in crew)
