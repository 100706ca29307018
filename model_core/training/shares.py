"""The number of shares of a run: the equal parts of each batch whose gradients are
added in order (ranks.py).

It belongs to the run and not to the machine, so that a training that is resumed by
another number of processes ends with the same weights.
"""

from pathlib import Path

from model_core.errors import ConfigError
from model_core.training.checkpoint import read_facts
from model_core.training.recipe import TrainingSection


def shares_of_run(training: TrainingSection, checkpoint: Path | None) -> int:
    """Return the number of shares that a run is bound to; 0 if it is not bound yet.

    training: of its recipe, whose number counts first.
    checkpoint: the one that the run is resumed from, or None.
    """
    if training.shares or checkpoint is None or not checkpoint.exists():
        return training.shares
    return read_facts(checkpoint)["recipe"]["training"]["shares"]


def expect_shares(shares: int, processes: int, device: str) -> None:
    """Raise ConfigError unless this number of processes can compute the shares (equal
    parts of a batch) of a run: on a CPU each process one or more, on several GPUs each
    exactly one.

    device: its name, such as cpu.
    """
    if processes > shares:
        raise ConfigError(
            f"training.shares = {shares} is too few for {processes} processes: expected "
            "at most one process for each share"
        )
    # GPUs add by `all_reduce`.
    if device != "cpu" and processes not in (1, shares):
        raise ConfigError(
            f"training.shares = {shares} on GPUs: expected 1 or {shares} processes, not "
            f"{processes}"
        )
