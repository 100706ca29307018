"""The learning rate as a function of the update, and the number of updates of a run."""

import math

from model_core.training.recipe import AUTO_POWER, AUTO_RATE, TrainingSection
from model_core.training.state import Decay


def learning_rate(
    training: TrainingSection,
    iteration: int,
    per_epoch: int,
    decay: Decay | None = None,
    earlier: int = 0,
) -> float:
    """Return the learning rate of update number `iteration` (from 0), with warmup and
    schedule.

    per_epoch: updates of an epoch.
    decay: the last part of a run with the schedule `stable`, in which the rate falls.
        Default: as planned.
    earlier: updates before the run's first one that the optimiser has seen; they count
        for the warmup.
    """
    highest = highest_rate(training, training.epochs * per_epoch)
    rate = highest * _factor(training, iteration, per_epoch, decay)
    if iteration + earlier < training.warmup:
        rate *= (iteration + earlier + 1) / training.warmup
    return rate


def highest_rate(training: TrainingSection, updates: int) -> float:
    """Return the learning rate before warmup and schedule: the recipe's, or the
    automatic one for Muon.

    updates: of the whole run.
    """
    return training.learning_rate or AUTO_RATE * updates**AUTO_POWER


def planned_decay(training: TrainingSection, per_epoch: int) -> Decay | None:
    """Return the part of the run in which the rate of the schedule `stable` falls; None
    for another schedule.

    per_epoch: updates of one epoch.
    """
    if training.schedule != "stable":
        return None
    total = training.epochs * per_epoch
    updates = max(1, round(training.decay * total))
    return Decay(total - updates, updates)


def updates_of_run(
    training: TrainingSection, per_epoch: int, decay: Decay | None
) -> int:
    """Return the number of updates of the whole run.

    decay: the last part of the run, if it has begun, which then decides the end.
    """
    return decay.end if decay else training.epochs * per_epoch


def _factor(
    training: TrainingSection, iteration: int, per_epoch: int, decay: Decay | None
) -> float:
    """Return the factor of the schedule at this iteration, 0 to 1."""
    match training.schedule:
        case "constant":
            return 1.0
        case "step":
            steps = int(iteration / per_epoch / training.step_epochs)
            return training.step_factor**steps
        case "cosine":
            done = min(1.0, iteration / (training.epochs * per_epoch))
            floor = training.final_factor
            return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))
        case "stable":
            decay = decay or planned_decay(training, per_epoch)
            assert decay is not None
            return min(1.0, (decay.end - iteration) / decay.updates)
