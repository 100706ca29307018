"""The examination of models before they are served, the same at a start and while the worker runs.

A process of its own (examiner.py) takes the risk, in two steps: it loads the model and makes its card, within the
memory and the bytes that a model may have; then it measures as `publish` does that the network is finite and causal,
and draws a few rows in every way. Models that are known good, because a worker has served them, are spared both.
"""

import os
from pathlib import Path

from model_core import load_model
from model_core.card import Card
from model_core.errors import ModelError
from model_core.measures.leaks import require_causal
from model_core.models import Model
from model_core.models_directory import CARD, weights_in
from worker.engine.examiner import BACKGROUND, Examiner, bound_memory
from worker.engine.kept import KeptWeights
from worker.engine.model_pool import MIB, ModelPool, SlotPlan

LOAD_LIMIT_S = 120.0
LIMIT_S = 900.0
"""Seconds for what is measured, its loops compiled; as long as a model may take to load."""

ROOM_MIB = 512
"""Memory for looking, beside that of slots and weights: compiling takes most of it."""
COPIES = 8
"""Copies of its weights that are in memory at most: as they are read, as the network's, and where it is measured."""


class Examination:
    """kept: the models that are known good. most_mib: weights of one."""

    def __init__(
        self, kept: KeptWeights, slot_memory_mib: int, most_mib: int, examiner: Examiner
    ) -> None:
        self._kept = kept
        self._slot_memory_mib, self._most_mib = slot_memory_mib, most_mib
        self._examiner = examiner
        self.end = examiner.end

    def knows(self, place: Path) -> bool:
        """True where a model of this identity has been served."""
        try:
            return self._kept.knows(Card.read(place / CARD))
        except (ModelError, OSError):
            return False

    def load(self, name: str, place: Path, device: str) -> Model:
        """The model, once it was loaded elsewhere. ModelError for one that is not to be served."""
        weights_bytes(place, self._most_mib)
        if not self._kept.knows(Card.read(place / CARD)):
            self._examiner.call(
                _load,
                name,
                place,
                self._most_mib,
                self._slot_memory_mib,
                limit_s=LOAD_LIMIT_S,
            )
        return _load_bounded(name, place, self._most_mib, device)

    def measure(self, name: str, place: Path) -> None:
        """ModelError for one that is not to be drawn from."""
        if not self.knows(place):
            self._examiner.call(
                _measure,
                name,
                place,
                self._most_mib,
                self._slot_memory_mib,
                limit_s=LIMIT_S,
            )


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
