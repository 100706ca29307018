"""The scalars of a run: all that a checkpoint keeps beside tensors."""

from dataclasses import asdict, dataclass
from typing import Any, Self


@dataclass
class Mean:
    """A mean over images that can be saved half-way."""

    total: float = 0.0
    images: int = 0

    def add(self, value: float, images: int) -> None:
        """Take in `images` images whose mean is `value`."""
        self.total += value * images
        self.images += images

    def take(self) -> float:
        """The mean so far, and start anew; nan when there was nothing."""
        mean = self.total / self.images if self.images else float("nan")
        self.total, self.images = 0.0, 0
        return mean


@dataclass(frozen=True)
class Start:
    """The model that a run's first weights are from."""

    model: str
    """As the recipe names it."""
    sha256: str
    """Of its weights."""


@dataclass
class TrainState:
    """How far a run is."""

    iteration: int
    """Updates made."""
    epochs: int
    """Epochs that are closed: trained, validated and logged."""
    images: int
    seconds: float
    """Wall time of all sittings together, validation included."""
    window: Mean
    """Training nats since the last log line."""
    epoch: Mean
    """Training nats since the epoch began."""
    best_nats: float | None = None
    best_epoch: int = 0
    start: Start | None = None
    """None: the first weights were random."""

    @classmethod
    def fresh(cls, start: Start | None = None) -> Self:
        """The state before the first update."""
        return cls(iteration=0, epochs=0, images=0, seconds=0.0, window=Mean(), epoch=Mean(), start=start)

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Self:
        """Undo to_dict."""
        start = facts.get("start")
        parts = {"window": Mean(**facts["window"]), "epoch": Mean(**facts["epoch"])}
        return cls(**{**facts, **parts, "start": Start(**start) if start else None})

    def to_dict(self) -> dict[str, Any]:
        """As JSON takes it."""
        return asdict(self)
