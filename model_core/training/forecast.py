"""How long a sitting will take on this machine, computed from its own first updates."""

import math
import statistics
from dataclasses import dataclass, field
from typing import Self

from model_core.training.learning_rate import updates_of_run
from model_core.training.recipe import TrainingSection
from model_core.training.state import TrainState

_MEASURED = 8
"""Updates whose median is used. One before them is left out, because it also loads
kernels."""
UPDATE_BY_SCORE = 3
"""Passes over an image in an update (one forward, and a backward one that takes as long
as two) divided by those in a validation."""


@dataclass
class Forecast:
    """The remaining time of a run: updates as measured, and validations in proportion
    to their passes. Checkpoints and samples do not count."""

    updates: int
    """Updates that remain."""
    batch: int
    """Images in an update."""
    epochs: int
    """Epochs that remain."""
    passes: int
    """Forward passes over one image in a validation, for all its images."""
    is_rest: bool
    """True if the run began in an earlier sitting."""
    may_end_early: bool
    """True if the run can end before its last epoch (training.patience)."""
    seconds: float | None = None
    """The forecast in seconds; None until enough updates are measured."""
    _times: list[float] = field(default_factory=list)

    @classmethod
    def of(
        cls,
        training: TrainingSection,
        state: TrainState,
        per_epoch: int,
        scored: int,
        labels: int,
    ) -> Self:
        """Return the forecast of a run that continues from `state`; its `seconds` are
        not known yet.

        training: of the run's recipe.
        per_epoch: updates of an epoch.
        scored: number of validation images.
        labels: number of the network's labels; it scores each image with each label.
            The weights and their average are both scored.
        """
        updates = updates_of_run(training, per_epoch, state.decay)
        return cls(
            updates=updates - state.iteration,
            batch=training.batch,
            epochs=math.ceil(updates / per_epoch) - state.epochs,
            passes=scored * max(1, labels) * (2 if training.ema else 1),
            is_rest=state.iteration > 0,
            may_end_early=training.patience > 0,
        )

    def after_update(self, seconds: float) -> str:
        """Record how many seconds an update took. Once enough are measured, set
        `seconds` and return the forecast in one line; before and after that, return an
        empty string."""
        if self.seconds is not None:
            return ""
        self._times.append(seconds)
        if len(self._times) <= _MEASURED:
            return ""
        update = statistics.median(self._times[1:])
        self.seconds = update * (
            self.updates + self.epochs * self.passes / (UPDATE_BY_SCORE * self.batch)
        )
        subject = "what is left" if self.is_rest else "this run"
        bound = "at most " if self.may_end_early else ""
        return (
            f"{subject} takes {bound}about {_duration(self.seconds)} here: "
            f"{self.updates:,} updates of {self.batch} images, "
            f"{_number(self.batch / update)} images/s, and a validation after each "
            f"epoch, {self.epochs} in all"
        )


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{_number(seconds / size)} {unit}"
    return f"{max(2, round(seconds))} seconds"


def _number(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"
