"""Orders of the worker to its engine process, and the stored material of a job. Instances are
immutable and use no Redis and no queue."""

from collections.abc import Sequence
from dataclasses import dataclass

from worker.contract.events import RowDrawn
from worker.contract.kinds.train import TrainOptions
from worker.orders.claims import Claim


@dataclass(frozen=True)
class Order:
    """A claimed job for a model. Its type decides which activity of the engine process
    takes it."""

    claim: Claim
    model: str
    """Name of the model in the engine process (catalogue.py)."""


@dataclass(frozen=True)
class TrainOrder(Order):
    """A training. It uses no model: `model` is the name of the model that it makes."""

    options: TrainOptions


@dataclass(frozen=True)
class Material:
    """What Redis stores of a job beside its description: its input and its published
    rows."""

    claim: Claim
    """The attempt that reads it."""
    pixels: bytes
    """The field `pixels` of `keys.image`; empty without input."""
    keep: bytes
    """The field `keep` of `keys.image`; empty without a mask."""
    rows: Sequence[RowDrawn]
    """The rows that earlier attempts published, in order."""
