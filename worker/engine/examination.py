"""The examination of models before they are served, the same at a start and while the worker runs.

A process of its own (examiner.py) takes the risk, in two steps: it loads the model and makes its card, within the
memory and the bytes that a model may have; then it measures as `publish` does that the network is finite and causal,
and draws a few rows in every way. Both are left out for models that are known good: those that a worker has served, and
shipped models whose files are unchanged.
"""

import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from model_core import load_model
from model_core.card import Card
from model_core.errors import ModelError
from model_core.examined import is_examined
from model_core.measures.leaks import require_causal
from model_core.models import Model
from model_core.models_directory import CARD, weights_in
from worker.engine.examiner import BACKGROUND, Examiner, TimedOutError, bound_memory
from worker.engine.kept import KeptWeights
from worker.engine.model_pool import MIB, ModelPool, SlotPlan

LOAD_LIMIT_S = 120.0
LIMIT_S = 900.0
"""Seconds of a processor for what is measured, its loops compiled; as long as a model may take to load."""

FIRST_REPEAT_S = 60.0
LAST_REPEAT_S = 3600.0
"""Seconds from an examination that took too long to the next one: twice as many each
time, up to an hour."""
MOST_OF_PROCESSOR = 2
"""Examinations of a model that used up their seconds of a processor. A machine that is
busy makes them more than they would be, so that one alone proves little; but a model
that is too slow is not examined for ever."""

ROOM_MIB = 512
"""Memory for looking, beside that of slots and weights: compiling takes most of it."""
COPIES = 8
"""Copies of its weights that are in memory at most: as they are read, as the network's, and where it is measured."""


@dataclass
class _Late:
    """A model whose examination took too long."""

    delay_s: float
    """Seconds until it is examined the next time."""
    again_at: float = math.inf
    """When it is examined again, by time.monotonic."""
    of_processor: int = 0
    """How often it used up its seconds of a processor."""


class Repeats:
    """Which models are examined again because their examination took too long.

    They are known by the names of their directories: a draft and the model that it is
    to replace have one name, and each has its own examination. Threads share it: the one
    that makes models ready and the one that looks for new models.
    """

    def __init__(self) -> None:
        self._late: dict[str, _Late] = {}

    def note(self, name: str, error: TimedOutError) -> TimedOutError:
        """Decide whether the model is examined again; the error that says so."""
        late = self._late.setdefault(name, _Late(FIRST_REPEAT_S))
        late.of_processor += not error.is_busy
        late.again_at = math.inf
        if late.of_processor >= MOST_OF_PROCESSOR:
            return error
        late.again_at = time.monotonic() + late.delay_s
        reason = f"{error}; it is looked at again in {late.delay_s:.0f} s"
        late.delay_s = min(2 * late.delay_s, LAST_REPEAT_S)
        return TimedOutError(reason, error.is_busy)

    def will_come(self, name: str) -> bool:
        """Return True if the model is going to be examined again."""
        late = self._late.get(name)
        return late is not None and late.again_at < math.inf

    def due(self) -> list[str]:
        """Return the names of the models that are to be examined now, once."""
        now = time.monotonic()
        names = [
            name for name, late in list(self._late.items()) if late.again_at <= now
        ]
        for name in names:
            self._late[name].again_at = math.inf
        return names

    def forget(self, name: str) -> None:
        """Forget a model that is served or gone."""
        self._late.pop(name, None)


class Examination:
    """Threads may examine models at the same time, each in a process of its own.

    kept: the models that are known good. most_mib: weights of one.
    """

    def __init__(
        self,
        kept: KeptWeights,
        slot_memory_mib: int,
        most_mib: int,
        examiner: Examiner,
        repeats: Repeats | None = None,
    ) -> None:
        self.repeats = Repeats() if repeats is None else repeats
        self._kept = kept
        self._slot_memory_mib, self._most_mib = slot_memory_mib, most_mib
        self._examiner = examiner
        self._idle = [examiner]
        """Examiners that examine nothing at the moment."""

    def knows(self, place: Path) -> bool:
        """Return True if a model of this identity has been served, or if it is a shipped
        model whose files are those that were examined before they were shipped."""
        try:
            return self._kept.knows(Card.read(place / CARD)) or is_examined(place)
        except (ModelError, OSError):
            return False

    def load(
        self,
        name: str,
        place: Path,
        device: str,
        waiting: Callable[[], object] = lambda: None,
    ) -> Model:
        """Return the model, once it was loaded elsewhere.

        waiting: called every second meanwhile. Raises ModelError for one that is not to
        be served, TimedOutError for one that took too long (see `repeats`).
        """
        weights_bytes(place, self._most_mib)
        if not self.knows(place):
            self._examine(_load, name, place, LOAD_LIMIT_S, waiting)
        return _load_bounded(name, place, self._most_mib, device)

    def measure(self, name: str, place: Path) -> None:
        """Raise ModelError for one that is not to be drawn from, TimedOutError for one
        that took too long (see `repeats`)."""
        if not self.knows(place):
            self._examine(_measure, name, place, LIMIT_S)
        self.repeats.forget(place.name)

    def _examine(
        self,
        look: Callable[..., object],
        name: str,
        place: Path,
        limit_s: float,
        waiting: Callable[[], object] = lambda: None,
    ) -> None:
        try:
            with self._free_examiner() as examiner:
                examiner.call(
                    look,
                    name,
                    place,
                    self._most_mib,
                    self._slot_memory_mib,
                    limit_s=limit_s,
                    waiting=waiting,
                )
        except TimedOutError as error:
            raise self.repeats.note(place.name, error) from None

    @contextmanager
    def _free_examiner(self) -> Iterator[Examiner]:
        """Lend an examiner that nobody else uses meanwhile."""
        try:
            examiner = self._idle.pop()
        except IndexError:
            examiner = self._examiner.another()
        try:
            yield examiner
        finally:
            self._idle.append(examiner)

    def end(self) -> None:
        """End the processes that examine nothing at the moment."""
        idle, self._idle = self._idle, []
        for examiner in idle:
            examiner.end()
        self._idle += idle


def weights_bytes(place: Path, most_mib: int) -> int:
    """The bytes of a model's weights; ModelError where they are too many."""
    size = sum(file.stat().st_size for file in weights_in(place))
    if size > most_mib * MIB:
        raise ModelError(
            f"its weights have {size / MIB:.0f} MiB: expected at most {most_mib} (PIXELRNN_MODEL_MIB)"
        )
    return size


def _load_bounded(name: str, place: Path, most_mib: int, device: str = "cpu") -> Model:
    weights_bytes(place, most_mib)
    model = load_model(place, device=device)
    if model.card.name != name:
        raise ModelError(f"its card says {model.card.name!r}, and it lies in {name!r}")
    return model


def _load(name: str, place: Path, most_mib: int, slot_memory_mib: int) -> ModelPool:
    """The examiner's process loads it."""
    bound_memory(
        (ROOM_MIB + slot_memory_mib) * MIB + COPIES * weights_bytes(place, most_mib)
    )
    return ModelPool(
        {name: _load_bounded(name, place, most_mib)}, SlotPlan(1, 0, slot_memory_mib)
    )


def _measure(name: str, place: Path, most_mib: int, slot_memory_mib: int) -> None:
    """The examiner's process measures it."""
    os.setpriority(os.PRIO_PROCESS, 0, BACKGROUND)
    pool = _load(name, place, most_mib, slot_memory_mib)
    model = pool.model(name)
    require_causal(*(member.network for member in (*model.members, *model.guides)))
    pool.warm_up(name)
