"""The examination of models before they are served, the same at a start and while the
worker runs.

A process of its own (examiner.py) takes the risk, in two steps. It loads the model and
makes its card, within limits of memory and size. Then it measures, as `publish` does,
that the network is finite and causal, and draws a few rows in every way. Both steps are
left out for models that are known good: those that a worker has served, and shipped
models whose files are unchanged.
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
from worker.engine.examiner import BACKGROUND, Examiner, InconclusiveError, bound_memory
from worker.engine.failures import is_passing
from worker.engine.kept import KeptWeights
from worker.engine.model_pool import ModelPool
from worker.engine.refusals import reason_of
from worker.engine.slot_plan import MIB, SlotPlan

LOAD_LIMIT_S = 120.0
"""CPU seconds for loading."""
LIMIT_S = 900.0
"""CPU seconds for measuring, including compiling the loops: as long as a model may take
to load."""

FIRST_REPEAT_S = 60.0
LAST_REPEAT_S = 600.0
"""Seconds from an inconclusive examination to the next one: FIRST_REPEAT_S, then twice
as long each time, up to LAST_REPEAT_S."""
MOST_OF_PROCESSOR = 2
"""Examinations of a model that may use up their CPU seconds. A busy machine makes them
slower, so a single one proves little, but a model that is too slow is not examined for
ever."""

ROOM_MIB = 512
"""Memory of the examiner's process beside slots and weights; compiling takes most of
it."""
COPIES = 8
"""Copies of the weights in memory, at most: as read from the file, as the network's,
and where they are measured."""


@dataclass
class _LateModel:
    """A model whose examination was inconclusive."""

    delay_s: float
    """Seconds until its next examination."""
    again_at: float = math.inf
    """Time of its next examination by time.monotonic."""
    of_processor: int = 0
    """How often it has used up its CPU seconds."""


class Repeats:
    """Which models are examined again because their examination was inconclusive. Two
    threads share it.

    Models have the names of their directories here, because a draft and the model that
    it is to replace have the same name.
    """

    def __init__(self) -> None:
        self._late: dict[str, _LateModel] = {}

    def note(self, name: str, error: InconclusiveError) -> InconclusiveError:
        """Note that an examination ended with this error. Return the error for the
        model's owner, which says whether it will be repeated: no more once it has used
        up its CPU seconds MOST_OF_PROCESSOR times."""
        late = self._late.setdefault(name, _LateModel(FIRST_REPEAT_S))
        late.of_processor += not error.is_passing
        late.again_at = math.inf
        if late.of_processor >= MOST_OF_PROCESSOR:
            return error
        late.again_at = time.monotonic() + late.delay_s
        reason = f"{error}; it is looked at again in {late.delay_s:.0f} s"
        late.delay_s = min(2 * late.delay_s, LAST_REPEAT_S)
        return InconclusiveError(reason, error.is_passing)

    def will_come(self, name: str) -> bool:
        """Return True if this model will be examined again."""
        late = self._late.get(name)
        return late is not None and late.again_at < math.inf

    def due(self) -> list[str]:
        """Return the models whose next examination is due, each once."""
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
    """Examines models, each in a process of its own; several threads may do so at once.

    A model that must not be served raises ModelError, and one that will be examined
    again (`repeats`) InconclusiveError.
    """

    def __init__(
        self,
        kept: KeptWeights,
        slot_memory_mib: int,
        most_mib: int,
        examiner: Examiner,
        repeats: Repeats | None = None,
    ) -> None:
        """kept: models that are known good.
        slot_memory_mib: MiB for slots.
        most_mib: most MiB of a model's weights.
        examiner: the first process; more are started as needed.
        repeats: shared with another Examination, or a new one."""
        self.repeats = Repeats() if repeats is None else repeats
        self._kept = kept
        self._slot_memory_mib = slot_memory_mib
        self._most_mib = most_mib
        self._examiner = examiner
        self._idle = [examiner]
        """Examiners that are not in use."""

    def knows(self, place: Path) -> bool:
        """Return True if the model in this directory is known good: one of its identity
        has been served, or it is a shipped model with unchanged files."""
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
        """Load a model. Unless it is known good, another process loads it first, as a
        test.

        name: the model's name.
        place: its directory.
        device: as in torch, such as `cpu`.
        waiting: called every second meanwhile.
        """
        with self._noting(place):
            weights_bytes(place, self._most_mib)
            if not self.knows(place):
                self._examine(_load, name, place, LOAD_LIMIT_S, waiting)
            return _load_bounded(name, place, self._most_mib, device)

    def measure(self, name: str, place: Path) -> None:
        """Measure the speed and memory of a model and draw a few rows with it in
        another process, unless it is known good. Earlier inconclusive examinations are
        forgotten."""
        with self._noting(place):
            if not self.knows(place):
                self._examine(_measure, name, place, LIMIT_S)
        self.repeats.forget(place.name)

    def card(self, place: Path) -> Card:
        """Read the card in a model's directory. Raises ModelError."""
        with self._noting(place):
            return Card.read(place / CARD)

    @contextmanager
    def _noting(self, place: Path) -> Iterator[None]:
        try:
            yield
        except InconclusiveError as error:
            raise self.repeats.note(place.name, error) from None
        except (ModelError, OSError) as error:
            if not is_passing(error):
                raise
            passing = InconclusiveError(reason_of(error), is_passing=True)
            raise self.repeats.note(place.name, passing) from None

    def _examine(
        self,
        look: Callable[..., object],
        name: str,
        place: Path,
        limit_s: float,
        waiting: Callable[[], object] = lambda: None,
    ) -> None:
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

    @contextmanager
    def _free_examiner(self) -> Iterator[Examiner]:
        try:
            examiner = self._idle.pop()
        except IndexError:
            examiner = self._examiner.another()
        try:
            yield examiner
        finally:
            self._idle.append(examiner)

    def end(self) -> None:
        """End the processes that are not in use."""
        # Other threads may take an examiner meanwhile, so none is lent that is ending.
        idle = self._idle
        self._idle = []
        for examiner in idle:
            examiner.end()
        self._idle += idle


def weights_bytes(place: Path, most_mib: int) -> int:
    """Return the bytes of a model's files of weights. Raises ModelError if they are
    more than `most_mib` MiB."""
    size = sum(file.stat().st_size for file in weights_in(place))
    if size > most_mib * MIB:
        raise ModelError(
            f"its weights have {size / MIB:.0f} MiB: "
            f"expected at most {most_mib} (PIXELRNN_MODEL_MIB)"
        )
    return size


def _load_bounded(name: str, place: Path, most_mib: int, device: str = "cpu") -> Model:
    weights_bytes(place, most_mib)
    model = load_model(place, device=device)
    if model.card.name != name:
        raise ModelError(f"its card says {model.card.name!r}, and it lies in {name!r}")
    return model


def _load(name: str, place: Path, most_mib: int, slot_memory_mib: int) -> ModelPool:
    bound_memory(
        (ROOM_MIB + slot_memory_mib) * MIB + COPIES * weights_bytes(place, most_mib)
    )
    return ModelPool(
        {name: _load_bounded(name, place, most_mib)}, SlotPlan(1, 0, slot_memory_mib)
    )


def _measure(name: str, place: Path, most_mib: int, slot_memory_mib: int) -> None:
    """Do as `measure`, in the examiner's process."""
    os.setpriority(os.PRIO_PROCESS, 0, BACKGROUND)
    pool = _load(name, place, most_mib, slot_memory_mib)
    model = pool.model(name)
    require_causal(*(member.network for member in (*model.members, *model.guides)))
    pool.warm_up(name)
