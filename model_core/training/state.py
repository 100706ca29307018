"""The scalars of a run: everything in a checkpoint except the tensors."""

from dataclasses import asdict, dataclass, field
from typing import Any, Self

from pydantic import TypeAdapter


@dataclass
class Mean:
    """A mean over images that can be saved before it is complete.

    total: sum over the images so far.
    images: number of images so far.
    """

    total: float = 0.0
    images: int = 0

    def add(self, value: float, images: int) -> None:
        """Add `images` images whose mean is `value`."""
        self.total += value * images
        self.images += images

    def take(self) -> float:
        """Return the mean so far, nan for no images, and start again with none."""
        mean = self.total / self.images if self.images else float("nan")
        self.total = 0.0
        self.images = 0
        return mean


@dataclass(frozen=True)
class Sitting:
    """A part of a training without interruption, by one command on one machine.

    command: as a person types it.
    hardware: as a card says it, such as `2 x AMD EPYC 9R14, 1 thread`.
    """

    command: str
    hardware: str
    images: int
    """Images trained on; an image counts each time it is used."""
    epochs: float
    """Passes over the training images."""
    hours: float
    """Wall time in hours, including validations."""
    drawn_anew: bool = False
    """True if each image was drawn again from its grey original whenever it was
    used."""

    @property
    def core_hours(self) -> float:
        """Hours times processes, whose number is written before the hardware."""
        processes, times, _ = self.hardware.partition(" x ")
        return self.hours * (int(processes) if times and processes.isdecimal() else 1)


@dataclass(frozen=True)
class Decay:
    """The last part of a run with the schedule `stable`, in which the rate falls."""

    first: int
    """Number of its first update, from 0."""
    updates: int
    """Number of its updates; after the last one the rate is 0."""

    @property
    def end(self) -> int:
        """Number of updates of the whole run."""
        return self.first + self.updates


@dataclass(frozen=True)
class Start:
    """The model whose weights a run began with."""

    model: str
    """Its name or path in the recipe."""
    sha256: str
    """SHA-256 of its weights."""
    history: list[Sitting] = field(default_factory=list)
    """The sittings in which it was trained, oldest first."""
    labels: int = 0
    """Number of its labels."""
    updates: int = 0
    """Updates that the optimiser had seen, if its state was taken too, otherwise 0."""


@dataclass
class TrainState:
    """The progress of a run."""

    iteration: int
    """Number of updates made."""
    epochs: int
    """Number of complete epochs: trained, validated and logged."""
    images: int
    """Images trained on; an image counts each time it is used."""
    seconds: float
    """Wall time of all sittings (commands that trained this run) in seconds, including
    validations."""
    window: Mean
    """Mean training nats since the last line of the log."""
    epoch: Mean
    """Mean training nats since the beginning of the epoch."""
    best_nats: float | None = None
    """Best validation score, in nats per image."""
    best_error: float | None = None
    """Standard error of best_nats; None if it is unknown, or for one image."""
    best_epoch: int = 0
    """The epoch with the best score; 0: the starting model, or none yet."""
    start: Start | None = None
    """None if the first weights were random."""
    decay: Decay | None = None
    """The last part of the run; None before it has begun, and for schedules other than
    `stable`."""
    sittings: list[Sitting] = field(default_factory=list)
    """The sittings of this run that have ended."""

    @property
    def age(self) -> int:
        """Number of updates that the optimiser and the average have seen."""
        return self.iteration + (self.start.updates if self.start else 0)

    @property
    def is_validated(self) -> bool:
        """True if the last thing that the run did was to close an epoch."""
        return self.epochs > 0 and self.epoch.images == 0

    @classmethod
    def fresh(cls, start: Start | None = None) -> Self:
        """Return the state before the first update.

        start: the model that the run begins with; None for random weights.
        """
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
        """Return the state that `to_dict` turned into `facts`."""
        return TypeAdapter(cls).validate_python(facts)

    def to_dict(self) -> dict[str, Any]:
        """Return the state as JSON values."""
        return asdict(self)

    def history(self, facts: dict[str, Any]) -> list[Sitting]:
        """Return all sittings that made the weights, oldest first: those of the
        starting model, those of this run that have ended, and the current one.

        facts: what the checkpoint contains besides the tensors.
        """
        return [
            *(self.start.history if self.start else []),
            *self.sittings,
            self._sitting(facts),
        ]

    def end_sitting(self, facts: dict[str, Any]) -> None:
        """Append the current sitting to those that have ended.

        facts: what the checkpoint that it wrote contains besides the tensors.
        """
        self.sittings.append(self._sitting(facts))

    def _sitting(self, facts: dict[str, Any]) -> Sitting:
        """Return the current sitting: the totals without the earlier sittings of this
        run."""
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
