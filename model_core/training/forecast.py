"""How long a sitting will take here, from its own first updates: nothing is computed for this alone."""

import statistics
from dataclasses import dataclass, field
from typing import Self

from model_core.training.recipe import TrainingSection
from model_core.training.state import TrainState

_MEASURED = 8
"""Updates of which the median counts; one before them is left out, because it also loads kernels."""
UPDATE_BY_SCORE = 3
"""Passes over an image in an update, forward and twice as much backward, for one in a validation."""


@dataclass
class Forecast:
    """Counts what is to be done: updates as measured, validations as their passes are to those of an update.
    Checkpoints and samples are left out."""

    updates: int
    batch: int
    epochs: int
    passes: int
    """Passes forward over one image that a validation takes."""
    is_rest: bool
    """The run began in an earlier sitting."""
    may_end_early: bool
    seconds: float | None = None
    """Seconds that the line says; None until it is said."""
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
        """Forecast of a run that goes on from `state`; scored: validation images. A network with labels looks at each
        image with each of them, and weights and their average are both scored."""
        return cls(
            updates=training.epochs * per_epoch - state.iteration,
            batch=training.batch,
            epochs=training.epochs - state.epochs,
            passes=scored * max(1, labels) * (2 if training.ema else 1),
            is_rest=state.iteration > 0,
            may_end_early=training.patience > 0,
        )

    def after_update(self, seconds: float) -> str:
        """Take in what an update took; the forecast in one line when enough are known, once, and else nothing."""
        if self.seconds is not None:
            return ""
        self._times.append(seconds)
        if len(self._times) <= _MEASURED:
            return ""
        update = statistics.median(self._times[1:])
        self.seconds = update * (
            self.updates + self.epochs * self.passes / (UPDATE_BY_SCORE * self.batch)
        )
        return (
            f"{'what is left' if self.is_rest else 'this run'} takes {'at most ' if self.may_end_early else ''}"
            f"about {_duration(self.seconds)} here: {self.updates:,} updates of {self.batch} images, "
            f"{_number(self.batch / update)} images/s, and a validation after each epoch, {self.epochs} in all"
        )


def _duration(seconds: float) -> str:
    for unit, size in (("days", 86400), ("hours", 3600), ("minutes", 60)):
        if seconds >= 2 * size:
            return f"{_number(seconds / size)} {unit}"
    return f"{max(2, round(seconds))} seconds"


def _number(number: float) -> str:
    return f"{number:.0f}" if number >= 10 else f"{number:.2g}"
