"""Orders of the worker to its engine, and their material. Plain values that nobody changes: no Redis, no queue."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.contract.events import RowDrawn
from worker.contract.kinds.train import TrainOptions
from worker.orders.claims import Claim


@dataclass(frozen=True)
class Order:
    """A claimed job, for a model. Its type decides which activity of the engine takes it."""

    claim: Claim
    model: str


@dataclass(frozen=True)
class TrainOrder(Order):
    """A training, which asks no model: `model` is the name of what comes of it."""

    options: TrainOptions


@dataclass(frozen=True)
class Material:
    """Everything that is kept of a job beside its description: its input, as in `keys.image`, and published rows."""

    claim: Claim
    pixels: bytes
    keep: bytes
    rows: Sequence[RowDrawn]
