"""What operators see and do: workers, and the jobs of all owners."""

from datetime import UTC, date, datetime, timedelta

from app.access.callers import ANYONE
from app.errors import UnknownWorkerError
from app.schema.answers import (
    Job,
    JobKind,
    OpenJob,
    QueueState,
    Usage,
    Worker,
    WorkerModel,
)
from app.services.fleet import FleetWatch
from app.services.jobs import Jobs
from app.store import Store
from worker.contract import keys
from worker.contract.cards import ModelCard, WorkerInfo
from worker.contract.jobs import JobRecord


class Operating:
    """Shows and drains the live workers, shows the open jobs, and stops new ones."""

    def __init__(self, store: Store, fleet: FleetWatch, jobs: Jobs) -> None:
        self._store = store
        self._fleet = fleet
        self._jobs = jobs

    async def workers(self) -> list[Worker]:
        """Return all live workers, trainers too, latest started first."""
        announced = await self._store.workers()
        held = await self._store.held({worker.queue for worker in announced})
        return [_worker(info, held.get(info.name, [])) for info in announced]

    async def drain(self, name: str, undo: bool) -> Worker:
        """Ask a worker to take no more jobs, or with `undo` to take jobs again. It
        follows within a second; the returned state is the one before. Raises
        UnknownWorkerError if no live worker has this name."""
        announced = {worker.name: worker for worker in await self._store.workers()}
        if name not in announced:
            raise UnknownWorkerError(
                "no live worker has this name; GET /workers lists them"
            )
        if undo:
            await self._store.undrain(name)
        else:
            await self._store.drain(name, announced[name].started_at)
        held = await self._store.held([announced[name].queue])
        return _worker(announced[name], held.get(name, []))

    async def queue(self, limit: int) -> QueueState:
        """Return up to `limit` open jobs, the oldest first."""
        reads = await self._store.open_jobs(limit)
        load = (await self._fleet.fresh()).load
        return QueueState(
            closed=load.closed,
            open=load.open_jobs,
            jobs=[_open_job(read.record) for read in reads if read.record],
        )

    async def cancel(self, job_id: str) -> tuple[Job, OpenJob]:
        """Ask a job of any owner to stop. Return it, and what an operator may see of
        it. Raises as all methods of `Jobs` for one job."""
        job, _ = await self._jobs.cancel(job_id, ANYONE)
        return job, _open_job(await self._jobs.record(job_id))

    async def usage(self) -> list[Usage]:
        """Return what each owner has used, of all days that are kept."""
        return [
            Usage(
                day=date(1970, 1, 1) + timedelta(days=one.day),
                owner=one.owner,
                images=one.images,
                values=one.values,
                seconds=one.seconds,
            )
            for one in await self._store.usage(keys.USAGE_DAYS)
        ]

    async def close(self, undo: bool) -> None:
        """Stop new jobs, or with `undo` take them again."""
        if undo:
            await self._store.reopen_queue()
        else:
            await self._store.close_queue()


def _open_job(record: JobRecord) -> OpenJob:
    spec = record.spec
    return OpenJob(
        id=spec.id,
        owner=record.client,
        kind=JobKind(spec.kind),
        model=spec.model,
        n=spec.images,
        status=record.status,
        progress=record.progress,
        created_at=datetime.fromtimestamp(record.created_at, UTC),
    )


def _worker(info: WorkerInfo, held: list[int]) -> Worker:
    """held: values that each of its jobs still has to draw."""
    state = "working" if held else "idle"
    if not (info.ready or info.is_trainer):
        state = "starting"
    if info.drained:
        state = "draining" if held else "drained"
    return Worker(
        name=info.name,
        host=info.host,
        version=info.release,
        device=info.device,
        threads=info.threads,
        queue=info.queue,
        started_at=datetime.fromtimestamp(info.started_at, UTC),
        state=state,
        jobs=len(held),
        load=sum(held),
        models=[_model(card) for card in info.models],
    )


def _model(card: ModelCard) -> WorkerModel:
    if card.compiling:
        return WorkerModel(name=card.name, state="compiling")
    return WorkerModel(name=card.name, state="unloaded" if card.unloaded else "ready")
