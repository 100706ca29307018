"""The models there are: those that live workers announce, and no others."""

from app.errors import BadParameterError, NoWorkerError, UnknownModelError
from app.schema.answers import Model, RefusedModel, WorkerPlace
from app.services.fleet import FleetWatch
from worker.contract.cards import ModelCard, WorkerInfo
from worker.contract.kind import Method
from worker.contract.kinds import KINDS


class Models:
    def __init__(self, fleet: FleetWatch) -> None:
        self._fleet = fleet
        self._merged_from: list[WorkerInfo] = []
        self._merged: dict[str, Model] = {}

    async def all(self) -> list[Model]:
        """All models by name. If two workers hold different models under one name, the latest started one is
        believed."""
        workers = (await self._fleet.fresh()).workers
        names = sorted({card.name for worker in workers for card in worker.models})
        return [_merged(name, workers) for name in names]

    async def refused(self) -> list[RefusedModel]:
        """Models that live workers do not serve, and why; by name."""
        workers = (await self._fleet.now()).workers
        found = [(one, worker.name) for worker in workers for one in worker.refused]
        return [
            RefusedModel(name=one.name, reason=one.reason, worker=worker)
            for one, worker in sorted(found, key=lambda each: (each[0].name, each[1]))
        ]

    async def find(self, name: str) -> Model:
        """Raises NoWorkerError when nobody could draw anything, UnknownModelError when nobody holds this model."""
        workers = (await self._fleet.now()).workers
        if not any(card.name == name for worker in workers for card in worker.models):
            workers = (await self._fleet.fresh()).workers  # it may have come a moment ago
        if not workers:
            raise _nobody()
        names = sorted({card.name for worker in workers for card in worker.models})
        if name not in names:
            raise UnknownModelError(f"expected one of: {', '.join(names)}")
        if workers is not self._merged_from:
            self._merged_from, self._merged = workers, {}
        if name not in self._merged:
            self._merged[name] = _merged(name, workers)
        return self._merged[name]

    async def find_for(self, kind: str, name: str) -> Model:
        """Find a model, like `find`; raises BadParameterError if it does not do this kind of work."""
        return _doing(kind, await self.find(name))

    async def find_by_digest(self, kind: str, digest: str, identity: str = "") -> Model:
        """The model of these weights; of several, the one of this identity. Raises NoWorkerError, UnknownModelError
        when nobody holds them, BadParameterError for a model that does not do this kind of work."""
        models = await self.all()
        if not models:
            raise _nobody()
        found = [model for model in models if model.digest == digest]
        if not found:
            raise UnknownModelError(f"no worker holds the model of sha256 {digest[:12]}...")
        return _doing(kind, next((model for model in found if model.identity == identity), found[0]))


def _nobody() -> NoWorkerError:
    return NoWorkerError("no worker has announced itself; start one, or wait until it is warm")


def _doing(kind: str, model: Model) -> Model:
    if kind not in model.can:
        detail = f"this model cannot {kind}; it can: {', '.join(model.can)}"
        raise BadParameterError(detail, field="model")
    return model


def _merged(name: str, workers: list[WorkerInfo]) -> Model:
    """Raises nothing: the caller has seen the name in these workers."""
    named = [(worker, card) for worker in workers for card in worker.models if card.name == name]
    digest = named[0][1].digest
    identity = next((card.identity for _, card in named if card.digest == digest and card.identity), "")
    holders = [(worker, card) for worker, card in named if card.answers_to(digest, identity)]
    places = [WorkerPlace(name=worker.name, device=worker.device, slots=worker.slots) for worker, _ in holders]
    return _model([card for _, card in holders], places)


def _model(cards: list[ModelCard], places: list[WorkerPlace]) -> Model:
    """It can what any of its holders does: workers of an earlier version may do less. So many particles as all of them
    have room for that have any."""
    can = {kind for card in cards for kind in card.can}
    methods = {method for card in cards for method in card.methods}
    merged = {
        "identity": next((card.identity for card in cards if card.identity), None),
        "can": [kind for kind in KINDS if kind in can],
        "title": next((card.title for card in cards if card.title), cards[0].network),
        "methods": [method for method in Method if method in methods],
        "max_particles": min((card.max_particles for card in cards if card.max_particles), default=0),
        "members": max((card.members for card in cards), key=len),
        "labels": max((card.labels for card in cards), key=len),
        "field": any(card.field for card in cards),
        "field_step": max(card.field_step for card in cards),
        "compiling": all(card.compiling for card in cards),
        "state": _state(cards),
    }
    return Model(**{**cards[0].model_dump(), **merged}, loaded_on=places)


def _state(cards: list[ModelCard]) -> str:
    """State of the worker which is furthest."""
    if not all(card.compiling for card in cards):
        return "ready"
    return "compiling" if all(card.cold for card in cards) else "loading"
