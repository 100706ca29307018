"""Models that come, change or go in the models directory while the worker runs.

A thread looks there every two seconds. A process of its own examines what is found unchanged twice, as `publish` does:
it must be whole, finite and causal, and its loops are compiled. Then the thread loads it and makes it ready, while the
engine draws from the others, and leaves it in the engine's inbox. The process takes the risk: one that runs out of
memory costs the model and not the worker.
"""

import os
import time
from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import structlog

from model_core import load_model
from model_core.card import Card
from model_core.errors import ModelError, PixelRNNError
from model_core.measures.leaks import require_causal
from model_core.models import Model
from model_core.models_directory import CARD, cards_in
from worker.contract.cards import ModelCard
from worker.engine.cohort import Cohort
from worker.engine.compiling import BACKGROUND, LIMIT_S, PARTS, begin
from worker.engine.kept import KeptWeights
from worker.engine.model_pool import ModelPool, SlotPlan
from worker.orders.catalogue import kept_name

MIB = 2**20
MOST_LOADED = 64
"""Models in memory, exchanged weights too: one worker would otherwise grow with every exchange."""

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
    for file in sorted([directory / CARD, *directory.glob("*.safetensors")]):
        try:
            state = file.stat()
        except OSError:  # exchanged at this moment
            continue
        facts.append((file.name, state.st_mtime_ns, state.st_size))
    return tuple(facts)


class Arrivals:
    """Serves what comes. put: a word into the engine's inbox, with its arguments. usable: processors for looking."""

    def __init__(
        self,
        pool: ModelPool,
        kept: KeptWeights,
        path: Path,
        device: str,
        most_mib: int,
        usable: Collection[int],
        put: Callable[..., None],
    ) -> None:
        self._pool = pool
        self._kept = kept
        self._path = path
        self._device = device
        self._most_mib = most_mib
        self._usable = tuple(usable)
        self._put = put
        self._log = structlog.get_logger("models")

    def follow(self, directory: Directory, every_s: float) -> None:
        """Take what changes in a directory, for as long as the process lives."""
        while True:
            time.sleep(every_s)
            self.take(*directory.changes())

    def take(self, came: Iterable[str], gone: Iterable[str]) -> None:
        for name in gone:
            self._pool.forget(name)
            self._put("dropped", name)
            self._log.info("model_removed", model=name)
        for name in came:
            try:
                self._serve(name)
            except (PixelRNNError, OSError, BrokenProcessPool, TimeoutError) as error:
                reason = str(error) or f"looking at it failed: {type(error).__name__}"
                self._put("refused", name, reason)
                self._log.error("model_refused", model=name, reason=reason)

    def _serve(self, name: str) -> None:
        began, source = time.monotonic(), self._path / name
        read = Card.read(source / CARD)
        if read.name != name:
            raise ModelError(f"its card says {read.name!r}, and it lies in {name!r}")
        called, cohort = self._pool.engine_name(name, read.identity), None
        if called is None:
            called = kept_name(self._loaded(name, read.identity, source))
            self._pool.warm_up(called)
            cohort = Cohort(partial(self._pool.engine, called), self._pool.plans[called].express)
        card = self._pool.renew(called, read).model_copy(update={"compiling": False, "cold": False})
        self._put("served", card, called, cohort)
        self._log.info("model_served", model=name, identity=read.identity, seconds=round(time.monotonic() - began, 1))

    def _loaded(self, name: str, identity: str, source: Path) -> ModelCard:
        """ModelError for one that is not to be served."""
        size = sum(file.stat().st_size for file in source.glob("*.safetensors")) / MIB
        if size > self._most_mib:
            raise ModelError(f"its weights have {size:.0f} MiB: expected at most {self._most_mib} (PIXELRNN_MODEL_MIB)")
        if self._pool.loaded >= MOST_LOADED:
            raise ModelError(f"this worker holds {MOST_LOADED} models, exchanged weights too: start it again")
        self._kept.keep(name, identity, source)
        place = self._kept.find(name, identity) or source  # a copy cannot be exchanged meanwhile
        with ProcessPoolExecutor(1, get_context("spawn"), begin, (self._usable,)) as looking:
            looking.submit(_look_at, place).result(LIMIT_S)
        model = load_model(place, device=self._device)
        if model.card.identity != identity:
            raise ModelError("it was exchanged while it was looked at")
        return self._pool.add(model)


def _look_at(directory: Path) -> None:
    """Load the model in a process of its own. Raises ModelError for one that `publish` would not write."""
    os.setpriority(os.PRIO_PROCESS, 0, BACKGROUND)
    model: Model = load_model(directory)
    require_causal(*(member.network for member in model.members))
    pool: Any = ModelPool({model.card.name: model}, SlotPlan(1, 0, slot_memory_mib=2**20))
    for part in PARTS:
        part(pool, model.card.name)
