"""The learning rate as a function of the iteration: nothing to save, nothing to restore."""

import math

from model_core.training.recipe import AUTO_POWER, AUTO_RATE, TrainingSection


def learning_rate(training: TrainingSection, iteration: int, per_epoch: int) -> float:
    """Learning rate of update number `iteration` (from 0), where an epoch is per_epoch updates."""
    rate = highest_rate(training, training.epochs * per_epoch) * _decay(
        training, iteration, per_epoch
    )
    if iteration < training.warmup:
        rate *= (iteration + 1) / training.warmup
    return rate


def highest_rate(training: TrainingSection, updates: int) -> float:
    """The rate of a run of so many updates, before its schedule."""
    return training.learning_rate or AUTO_RATE * updates**AUTO_POWER


def _decay(training: TrainingSection, iteration: int, per_epoch: int) -> float:
    match training.schedule:
        case "constant":
            return 1.0
        case "step":
            return training.step_factor ** int(
                iteration / per_epoch / training.step_epochs
            )
        case "cosine":
            done = min(1.0, iteration / (training.epochs * per_epoch))
            floor = training.final_factor
            return floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * done))
