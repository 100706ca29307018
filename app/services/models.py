"""The models that live workers announce, as callers see them."""

import asyncio
import difflib
import time
from collections.abc import Callable

from anyio.to_thread import run_sync

from app.access.callers import ANYONE, Caller
from app.errors import (
    BadParameterError,
    NoWorkerError,
    OldIdentityError,
    UnknownModelError,
)
from app.schema.answers import Model, RefusedModel, WorkerPlace
from app.services.fleet import FleetWatch
from app.store import Store
from worker.contract.cards import ModelCard, WorkerInfo
from worker.contract.kinds import KINDS
from worker.contract.traits import Method

_ARRIVAL_S = 4.0
"""Seconds for which a call for an added model waits until a worker announces it: two
looks at the directory. Clients are usually more patient."""
_LOOK_S = 0.25


class Models:
    """The models as a caller sees them: private ones are seen only by their owner."""

    def __init__(
        self,
        fleet: FleetWatch,
        store: Store,
        is_added: Callable[[str, Caller], bool] = lambda name, caller: False,
    ) -> None:
        """fleet: the workers' announcements.
        store: the names of shipped models.
        is_added: returns True if the caller sees an added model of this name. It reads
            the disk, so it is called in a thread."""
        self._is_added = is_added
        self._fleet = fleet
        self._store = store
        self._merged_from: list[WorkerInfo] = []
        self._merged: dict[str, tuple[Model, set[str]]] = {}
        """Name -> model and its owners; valid for the announcements in _merged_from."""

    async def all(self, caller: Caller) -> list[Model]:
        """Return all models that the caller sees, by name. If workers hold different
        models under one name, the one that is listed first in the fleet counts."""
        workers = (await self._fleet.fresh()).known
        return [_merged(name, workers) for name in _names(workers, caller)]

    async def refused_models(self, caller: Caller) -> list[RefusedModel]:
        """Return the models that live workers do not serve, with the reasons, by name;
        private ones are shown only to their owner."""
        workers = (await self._fleet.now()).workers
        found = [
            (one, worker.name)
            for worker in workers
            for one in worker.refused
            if _sees(caller, one.owner)
        ]
        return [
            RefusedModel(name=one.name, reason=one.reason, worker=worker)
            for one, worker in sorted(found, key=lambda each: (each[0].name, each[1]))
        ]

    async def find(self, name: str, caller: Caller, field: str = "model") -> Model:
        """Return the model of this name.

        field: the request's field that contains the name, for messages.

        Raises NoWorkerError if there is no worker, and UnknownModelError if none serves
        such a model that the caller sees.
        """
        workers = (await self._fleet.now()).known
        if not any(card.name == name for worker in workers for card in worker.models):
            # It may have come a moment ago.
            workers = (await self._fleet.fresh()).known
        if not workers:
            raise _nobody()
        if workers is not self._merged_from:
            self._merged_from = workers
            self._merged = {}
        if name not in self._merged and name in _names(workers, None):
            self._merged[name] = _merged(name, workers), _owners(name, workers)
        model, owners = self._merged.get(name, (None, set()))
        if model is None or not all(_sees(caller, owner) for owner in owners):
            is_shipped = await self.is_shipped(name, "")
            unknown = _unknown(name, is_shipped, workers, caller)
            raise UnknownModelError(f"{field}: {unknown}")
        return model

    async def find_version(self, name: str, identity: str, caller: Caller) -> Model:
        """Return the model of this name whose identity begins with `identity`, the
        newest or not.

        Raises NoWorkerError if no worker runs, and OldIdentityError if no worker serves
        such a model that the caller sees, or if it was deleted.
        """
        workers = (await self._fleet.now()).known
        if not workers:
            raise _nobody()
        cards = [
            card
            for worker in workers
            for card in worker.models
            if card.name == name
            and card.identity.startswith(identity)
            and await self._is_there(card, caller)
        ]
        if not cards or name not in _names(workers, caller):
            raise OldIdentityError(
                "no worker serves these weights any more: leave out @IDENTITY for a "
                "picture by those of today"
            )
        return _model(cards, [])

    async def served_identity(
        self, name: str, caller: Caller
    ) -> tuple[bool, str | None]:
        """Return True if a live worker holds a model of this name, and its identity if
        the caller sees it (else None)."""
        workers = (await self._fleet.fresh()).known
        if name not in _names(workers, None):
            return False, None
        is_seen = name in _names(workers, caller)
        return True, _merged(name, workers).identity if is_seen else None

    async def expect_served(self, identity: str, caller: Caller) -> None:
        """Raise NoWorkerError if there is no worker, and UnknownModelError if none
        serves a model of this identity that the caller sees.

        identity: the model's, or the SHA-256 of its weights. An added model counts only
        until it is deleted, which workers notice seconds later.
        """
        for look in (self._fleet.now, self._fleet.fresh):
            workers = (await look()).known
            if not workers:
                raise _nobody()
            cards = (card for worker in workers for card in worker.models)
            for card in cards:
                is_it = card.identity_or_digest == identity
                if is_it and await self._is_there(card, caller):
                    return
        raise UnknownModelError("no worker serves this model")

    async def _is_there(self, card: ModelCard, caller: Caller) -> bool:
        if not _sees(caller, card.owner):
            return False
        return not card.job or await run_sync(self._is_added, card.name, caller)

    async def reserved_names(self) -> dict[str, str]:
        """Return the identities of all shipped models by name. No user may take these
        names, whether the models are served or not.

        Raises NoWorkerError if no worker has announced them for a day.
        """
        found = await self._store.reserved()
        if not found:
            raise NoWorkerError(
                "no worker has announced the names of its models yet: try again soon"
            )
        return found

    async def is_shipped(self, name: str, identity: str) -> bool:
        """Return True if a models directory of the service contains a model of this
        identity, or of this name if the identity is empty: served or not, also among
        records. False while no worker has announced any."""
        try:
            shipped = await self.reserved_names()
        except NoWorkerError:
            return False
        return identity in shipped.values() if identity else name in shipped

    async def start_identity(self, name: str, caller: Caller) -> str:
        """Return the identity of the model with which a training begins: a served one
        that the caller sees, or a shipped one.

        Raises UnknownModelError if there is no such model, and NoWorkerError if there
        is no worker or the identity is not known yet.
        """
        shipped = await self.reserved_names()
        try:
            identity = (await self.find(name, caller, field="start")).identity
        except (UnknownModelError, NoWorkerError):
            if name not in shipped:
                raise
            identity = shipped[name]
        if not identity:  # announced by an earlier version, or a damaged card
            raise NoWorkerError(f"the identity of {name} is not known: try again later")
        return identity

    async def find_for(self, kind: str, name: str, caller: Caller) -> Model:
        """Return the model of this name for this kind of job, waiting a moment for a
        model that was just added.

        Raises UnknownModelError if there is no such model, BadParameterError if the
        model does not do this kind of job, and NoWorkerError if it was added but is not
        announced yet.
        """
        return _doing(kind, await self._find_or_wait(name, caller))

    async def _find_or_wait(self, name: str, caller: Caller) -> Model:
        until = time.monotonic() + _ARRIVAL_S
        while True:
            try:
                return await self.find(name, caller)
            except UnknownModelError as unknown:
                is_refused = any(
                    one.name == name for one in await self.refused_models(caller)
                )
                if is_refused or not await run_sync(self._is_added, name, caller):
                    raise
                if time.monotonic() >= until:
                    why = f"{name} was added, and no worker has announced it yet"
                    raise NoWorkerError(why) from unknown
            await asyncio.sleep(_LOOK_S)

    async def second_identity(
        self, kind: str, model: Model, name: str, caller: Caller
    ) -> str:
        """Return the identity of the second model of a job, or the SHA-256 of its
        weights if its worker announces no identity.

        model: the first model.
        name: of the second one.

        Raises BadParameterError if its pictures have another size or other values, and
        NoWorkerError while it is not ready.
        """
        other = await self.find_for(kind, name, caller)
        sizes = "height", "width", "channels", "values", "palette"
        if any(getattr(other, size) != getattr(model, size) for size in sizes):
            raise BadParameterError(
                "against: expected a model of pictures of the same size and values",
                field="against",
            )
        if other.compiling:
            raise NoWorkerError(f"{name} is being made ready")
        return other.identity or other.digest

    async def find_by_digest(
        self, kind: str, digest: str, identity: str, caller: Caller
    ) -> Model:
        """Return the model with these weights; of several, the one of this identity,
        else the first.

        digest: SHA-256 of the weights.

        Raises NoWorkerError if there are no models, UnknownModelError if no worker
        holds these weights, and BadParameterError if the model does not do this kind of
        job.
        """
        models = await self.all(caller)
        if not models:
            raise _nobody()
        found = [model for model in models if model.digest == digest]
        if not found:
            raise UnknownModelError(
                f"no worker holds the model of sha256 {digest[:12]}..."
            )
        matches = (model for model in found if model.identity == identity)
        return _doing(kind, next(matches, found[0]))


def _sees(caller: Caller | None, owner: str) -> bool:
    """Return True if the caller sees what this owner added. None stands for a caller
    who sees everything; without keys all callers do."""
    return owner == "" or caller is None or caller.owner in (owner, ANYONE)


def _owners(name: str, workers: list[WorkerInfo]) -> set[str]:
    return {
        card.owner for worker in workers for card in worker.models if card.name == name
    }


def _names(workers: list[WorkerInfo], caller: Caller | None) -> list[str]:
    """Return the names of the models that the caller sees. A name is private if one
    worker announces it as private."""
    names = sorted({card.name for worker in workers for card in worker.models})
    return [
        name
        for name in names
        if all(_sees(caller, owner) for owner in _owners(name, workers))
    ]


def _unknown(
    name: str, is_shipped: bool, workers: list[WorkerInfo], caller: Caller
) -> str:
    """Return the message for a model that no worker serves, with the reason if it is
    known."""
    names = _names(workers, caller)
    expected = f"expected one of: {', '.join(names)}"
    reasons = (
        one.reason
        for worker in workers
        for one in worker.refused
        if one.name == name and _sees(caller, one.owner)
    )
    reason = next(reasons, None)
    if reason is not None:
        return f"refused: {reason}; {expected}"
    if is_shipped:
        return (
            f"{name} is in the models directory, but no worker loads it "
            f"(PIXELRNN_MODELS); {expected}"
        )
    # The nearest name comes first, because there may be dozens.
    near = difflib.get_close_matches(name, names, 1)
    return f"did you mean {near[0]}? {expected}" if near else expected


def _nobody() -> NoWorkerError:
    return NoWorkerError(
        "no worker has announced itself; start one, or wait until it is warm"
    )


def _doing(kind: str, model: Model) -> Model:
    if kind not in model.can:
        detail = f"this model cannot {kind}; it can: {', '.join(model.can)}"
        raise BadParameterError(detail, field="model")
    return model


def _merged(name: str, workers: list[WorkerInfo]) -> Model:
    """Return the model of a name that at least one of the workers announces."""
    named = [
        (worker, card)
        for worker in workers
        for card in worker.models
        if card.name == name
    ]
    digest = named[0][1].digest
    identity = next(
        (card.identity for _, card in named if card.digest == digest and card.identity),
        "",
    )
    holders = [
        (worker, card) for worker, card in named if card.answers_to(digest, identity)
    ]
    places = [
        WorkerPlace(
            name=worker.name,
            device=worker.device,
            slots=worker.slots,
            threads=worker.threads,
            on_processors=card.on_processors or None,
        )
        for worker, card in holders
        if worker.name  # remembered ones have none
    ]
    return _model([card for _, card in holders], places)


def _model(cards: list[ModelCard], places: list[WorkerPlace]) -> Model:
    """Return the model that these cards describe together: it does what any of them can
    do, with the least `max_particles` of those that have any."""
    # Workers of an earlier version may do less.
    can = {kind for card in cards for kind in card.can}
    methods = {method for card in cards for method in card.methods}
    merged = {
        "identity": next((card.identity for card in cards if card.identity), None),
        "can": [kind for kind in KINDS if kind in can],
        "title": next((card.title for card in cards if card.title), cards[0].network),
        "methods": [method for method in Method if method in methods],
        "max_particles": min(
            (card.max_particles for card in cards if card.max_particles), default=0
        ),
        "members": max((card.members for card in cards), key=len),
        "labels": max((card.labels for card in cards), key=len),
        "field": any(card.field for card in cards),
        "field_step": max(card.field_step for card in cards),
        "palette": list(max((card.palette for card in cards), key=len)),
        "compiling": all(card.compiling for card in cards),
        "state": _state(cards),
    }
    return Model(**{**cards[0].model_dump(), **merged}, loaded_on=places)


def _state(cards: list[ModelCard]) -> str:
    """Return the most advanced state among the workers."""
    if not all(card.compiling for card in cards):
        return "ready"
    return "compiling" if all(card.cold for card in cards) else "loading"
