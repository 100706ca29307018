"""How much each model was used since the start: to whoever asks for metrics, and to the log, now and then."""

import time
from collections.abc import Callable, Iterable, Mapping

import structlog

from worker.orders.usage import Usage

LOG_S = 5.0
TOLD_S = 1.0
"""A worker that draws says so often how much: its log, and whoever asks for its metrics."""


class UsageTold:
    """tell: hears of all models at once."""

    def __init__(
        self, models: Iterable[str], tell: Callable[[Mapping[str, Usage]], None]
    ) -> None:
        self._of = {name: Usage() for name in models}
        self._tell = tell
        self._log_at = time.monotonic() + LOG_S
        self._tell_at = 0.0
        self._log = structlog.get_logger("runner")

    def __getitem__(self, model: str) -> Usage:
        return self._of[model]

    def add(self, model: str) -> None:
        """One that was loaded later, or again."""
        self._of[model] = Usage()

    def remove(self, model: str) -> None:
        """Forget one that was unloaded."""
        self._of.pop(model, None)

    def now_and_then(self) -> None:
        """Call it after each turn."""
        now = time.monotonic()
        if now > self._tell_at:
            self.tell()
        if now > self._log_at:
            self.log()

    def tell(self) -> None:
        self._tell_at = time.monotonic() + TOLD_S
        self._tell(self._of)

    def log(self) -> None:
        self._log_at = time.monotonic() + LOG_S
        for name, usage in self._of.items():
            if usage.images:
                occupancy, seconds = round(usage.occupancy, 2), round(usage.seconds, 3)
                self._log.info(
                    "model_used",
                    model=name,
                    images=usage.images,
                    step_s=seconds,
                    occupancy=occupancy,
                )
