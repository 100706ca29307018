"""Models that come, change or go in the models directory while the worker runs.

A thread looks there every two seconds. What is found unchanged twice is examined (examination.py), loaded and made
ready, while the engine draws from the others, and left in the engine's inbox.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from functools import partial
from pathlib import Path

import structlog

from model_core.card import Card
from model_core.errors import ModelError
from model_core.models_directory import CARD, cards_in, weights_in
from worker.contract.cards import ModelCard
from worker.engine.cohort import Cohort
from worker.engine.examination import Examination
from worker.engine.kept import KeptWeights
from worker.engine.model_pool import MOST_LOADED, ModelPool
from worker.engine.refusals import note_refused
from worker.orders.catalogue import kept_name

Fingerprint = tuple[tuple[str, int, int], ...]


class Directory:
    """The models in a directory, as far as they are asked for by name; all of them where none is."""

    def __init__(self, path: Path, asked: Collection[str] = ()) -> None:
        self._path = path
        self._asked = frozenset(asked)
        self._seen: dict[str, Fingerprint] = {}
        self._seen = self._look()
        self._settled = dict(self._seen)

    def changes(self) -> tuple[list[str], list[str]]:
        """The models that are new or other than they were, and those that are gone; each once, and only when two looks
        in a row found the same."""
        seen, before = self._look(), self._seen
        self._seen = seen
        came = [name for name, found in seen.items() if before.get(name) == found != self._settled.get(name)]
        gone = [name for name in self._settled if name not in seen and name not in before]
        self._settled.update({name: seen[name] for name in came})
        for name in gone:
            del self._settled[name]
        return came, gone

    def _look(self) -> dict[str, Fingerprint]:
        if not self._path.is_dir():  # a disk that is away for a moment takes no model with it
            return self._seen
        names = [card.parent.name for card in cards_in(self._path)]
        return {name: _fingerprint(self._path / name) for name in names if not self._asked or name in self._asked}


def _fingerprint(directory: Path) -> Fingerprint:
    """Names, times and lengths of the files that make a model."""
    facts = []
    for file in sorted([directory / CARD, *weights_in(directory)]):
        try:
            state = file.stat()
        except OSError:  # exchanged at this moment
            continue
        facts.append((file.name, state.st_mtime_ns, state.st_size))
    return tuple(facts)


class Arrivals:
    """Serves what comes. put: a word into the engine's inbox, with its arguments. offer: lays models out for browsers,
    given their identities by name."""

    def __init__(
        self,
        pool: ModelPool,
        kept: KeptWeights,
        examination: Examination,
        path: Path,
        device: str,
        put: Callable[..., None],
        offer: Callable[[Mapping[str, str]], None],
    ) -> None:
        self._pool = pool
        self._kept = kept
        self._examination = examination
        self._path = path
        self._device = device
        self._put, self._offer = put, offer
        self._log = structlog.get_logger("models")

    def follow(self, directory: Directory, every_s: float) -> None:
        """Take what changes in a directory, for as long as the process lives."""
        while True:
            time.sleep(every_s)
            try:
                self.take(*directory.changes())
            except Exception:  # the thread's edge: a folder may vanish while it is looked at
                self._log.exception("models_not_looked_at")

    def take(self, came: Iterable[str], gone: Iterable[str]) -> None:
        for name in gone:
            self._pool.forget(name)
            self._put("dropped", name)
            self._log.info("model_removed", model=name)
        served: dict[str, str] = {}
        for name in came:
            try:
                served[name] = self._serve(name)
            except Exception as error:  # the edge to whoever put it there
                self._put("refused", name, note_refused(name, error))
        self._examination.end()
        if served:
            self._offer(served)

    def _serve(self, name: str) -> str:
        """Returns its identity."""
        began, source = time.monotonic(), self._path / name
        read = Card.read(source / CARD)
        if read.name != name:
            raise ModelError(f"its card says {read.name!r}, and it lies in {name!r}")
        called, cohort = self._pool.engine_name(name, read.identity), None
        if called is None:
            called = kept_name(self._loaded(name, read.identity, source))
            cohort = Cohort(partial(self._pool.engine, called), self._pool.plans[called].express)
        card = self._pool.renew(called, read).model_copy(update={"compiling": False, "cold": False})
        self._put("served", card, called, cohort)
        self._log.info("model_served", model=name, identity=read.identity, seconds=round(time.monotonic() - began, 1))
        return read.identity

    def _loaded(self, name: str, identity: str, source: Path) -> ModelCard:
        """The card of a model that is ready and kept. Raises whatever is wrong with one that is not to be served."""
        if self._pool.loaded >= MOST_LOADED:
            raise ModelError(f"this worker holds {MOST_LOADED} models, exchanged weights too: start it again")
        model = self._examination.load(name, source, self._device)
        if model.card.identity != identity:
            raise ModelError("it was exchanged while it was looked at")
        card = self._pool.add(model)
        try:
            self._examination.measure(name, source)
            self._pool.warm_up(kept_name(card))
        except BaseException:
            self._pool.remove(kept_name(card))
            raise
        self._kept.keep(name, identity, source)
        return card
