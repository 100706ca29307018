"""What operators see and do: workers, and draining them."""

from datetime import UTC, datetime

from app.errors import UnknownWorkerError
from app.schema.answers import Worker, WorkerModel
from app.store import Store
from worker.contract.cards import ModelCard, WorkerInfo


class Operating:
    """Shows and drains the live workers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def workers(self) -> list[Worker]:
        """Return all live workers, trainers too, latest started first."""
        announced = await self._store.workers()
        held = await self._store.held({worker.queue for worker in announced})
        return [_worker(info, held.get(info.name, [])) for info in announced]

    async def drain(self, name: str, undo: bool) -> Worker:
        """Ask a worker to take no more jobs, or with `undo` to take some again. Return
        it as it is now: it follows within a second. Raises UnknownWorkerError if it is
        not there."""
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
