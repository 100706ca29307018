"""The learning rate as a function of the iteration, so that a checkpoint need not
contain it."""

import math

from model_core.training.recipe import AUTO_POWER, AUTO_RATE, TrainingSection


def learning_rate(training: TrainingSection, iteration: int, per_epoch: int) -> float:
    """Return the learning rate of update number `iteration` (from 0), with warmup and
    schedule.

    per_epoch: updates of an epoch.
    """
    highest = highest_rate(training, training.epochs * per_epoch)
    rate = highest * _decay(training, iteration, per_epoch)
    if iteration < training.warmup:
        rate *= (iteration + 1) / training.warmup
    return rate


def highest_rate(training: TrainingSection, updates: int) -> float:
    """Return the learning rate of a run of `updates` updates before warmup and
    schedule: the recipe's, or the automatic one for Muon."""
    return training.learning_rate or AUTO_RATE * updates**AUTO_POWER


def _decay(training: TrainingSection, iteration: int, per_epoch: int) -> float:
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
