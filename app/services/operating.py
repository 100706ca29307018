"""What operators see and do: workers."""

from datetime import UTC, datetime

from app.schema.answers import Worker, WorkerModel
from app.store import Store
from worker.contract.cards import ModelCard, WorkerInfo


class Operating:
    """Shows the live workers."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def workers(self) -> list[Worker]:
        """Return all live workers, trainers too, latest started first."""
        announced = await self._store.workers()
        held = await self._store.held({worker.queue for worker in announced})
        return [_worker(info, held.get(info.name, [])) for info in announced]


def _worker(info: WorkerInfo, held: list[int]) -> Worker:
    """held: values that each of its jobs still has to draw."""
    state = "working" if held else "idle"
    if not (info.ready or info.is_trainer):
        state = "starting"
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
