"""The scalars of a run: all that a checkpoint keeps beside tensors."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from pydantic import TypeAdapter


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
class Sitting:
    """One stretch of training without a stop, by one command on one machine."""

    command: str
    hardware: str
    images: int
    epochs: float
    hours: float
    """Wall time, validation included."""
    drawn_anew: bool = False
    """Each image was drawn anew from its grey original whenever it was seen."""


@dataclass(frozen=True)
class Start:
    """The model that a run's first weights are from."""

    model: str
    """Its name in the recipe."""
    sha256: str
    """Digest of its weights."""
    history: list[Sitting] = field(default_factory=list)
    """How those were trained, oldest first."""
    labels: int = 0
    """How many labels it had."""


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
    best_error: float | None = None
    """Standard error of best_nats; None if it is not known, or of one image."""
    best_epoch: int = 0
    start: Start | None = None
    """None: the first weights were random."""
    sittings: list[Sitting] = field(default_factory=list)
    """Sittings of this run that have ended."""

    @classmethod
    def fresh(cls, start: Start | None = None) -> Self:
        """The state before the first update."""
        return cls(
            iteration=0,
            epochs=0,
            images=0,
            seconds=0.0,
            window=Mean(),
            epoch=Mean(),
            start=start,
        )

    @classmethod
    def from_dict(cls, facts: dict[str, Any]) -> Self:
        """Undo to_dict; pydantic's ValidationError when it is no state."""
        return TypeAdapter(cls).validate_python(facts)

    def to_dict(self) -> dict[str, Any]:
        """The state as JSON takes it."""
        return asdict(self)

    def history(self, facts: dict[str, Any]) -> list[Sitting]:
        """Everything that made the weights: the start's sittings, those that ended, and the one of which a checkpoint's
        facts tell."""
        return [
            *(self.start.history if self.start else []),
            *self.sittings,
            self._sitting(facts),
        ]

    def end_sitting(self, facts: dict[str, Any]) -> None:
        """End a sitting, which did what these facts say; another one goes on."""
        self.sittings.append(self._sitting(facts))

    def _sitting(self, facts: dict[str, Any]) -> Sitting:
        per_epoch = facts["per_epoch"]
        images = self.images - sum(sitting.images for sitting in self.sittings)
        epochs = self.iteration / per_epoch - sum(
            sitting.epochs for sitting in self.sittings
        )
        hours = self.seconds / 3600 - sum(sitting.hours for sitting in self.sittings)
        drawn_anew = bool(facts["recipe"]["data"].get("originals"))
        return Sitting(
            facts["command"],
            facts["hardware"],
            images,
            round(epochs, 3),
            round(hours, 3),
            drawn_anew,
        )
