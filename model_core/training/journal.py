"""The log of a run: one JSON object per line, and the same numbers for TensorBoard."""

import json
from pathlib import Path
from typing import Any

from model_core.errors import ConfigError


class Journal:
    """The log of a run: appends lines to log.jsonl in its directory, and the same
    numbers to TensorBoard's files if the recipe asks for them. Call `close` at the
    end."""

    def __init__(self, directory: Path, iteration: int, tensorboard: bool) -> None:
        """Open the log, and remove its lines after `iteration`, which a crash may have
        left beyond the last checkpoint.

        directory: the run's.
        tensorboard: True to write TensorBoard's files, too; ConfigError if it is not
            installed.
        """
        self._path = directory / "log.jsonl"
        self._keep_until(iteration)
        self._file = self._path.open("a", encoding="utf-8", buffering=1)
        self._board = (
            _open_board(directory / "tensorboard", iteration) if tensorboard else None
        )

    def write(self, event: str, iteration: int, **facts: float | str) -> None:
        """Append one line with the event, the iteration and these facts. Numbers also
        become TensorBoard scalars named event/fact."""
        self._file.write(
            json.dumps({"event": event, "iteration": iteration, **facts}) + "\n"
        )
        if self._board is not None:
            for name, value in facts.items():
                if not isinstance(value, str):
                    self._board.add_scalar(f"{event}/{name}", value, iteration)
            self._board.flush()

    def close(self) -> None:
        """Close the files."""
        self._file.close()
        if self._board is not None:
            self._board.close()

    def _keep_until(self, iteration: int) -> None:
        if not self._path.exists():
            return
        lines = self._path.read_text(encoding="utf-8").splitlines()
        kept = [line for line in lines if _iteration(line) <= iteration]
        draft = self._path.with_suffix(".draft")
        draft.write_text("".join(f"{line}\n" for line in kept), encoding="utf-8")
        draft.replace(self._path)


def _iteration(line: str) -> float:
    """Return the iteration of a log line; infinity for a line that a crash cut off."""
    try:
        return json.loads(line)["iteration"]
    except (ValueError, KeyError):
        return float("inf")


def _open_board(directory: Path, iteration: int) -> Any:
    try:
        from torch.utils.tensorboard.writer import SummaryWriter
    except ImportError:
        raise ConfigError(
            "output.tensorboard needs tensorboard: pip install '.[train]' in the "
            "checkout "
            "(or the wheel's file in place of the dot), or --set "
            "output.tensorboard=false"
        ) from None
    return SummaryWriter(str(directory), purge_step=iteration + 1)
