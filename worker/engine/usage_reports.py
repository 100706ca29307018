"""How much each model was used since the start, for metrics and for the log."""

import time
from collections.abc import Callable, Iterable, Mapping

import structlog

from worker.orders.usage import Usage

LOG_S = 5.0
"""Seconds between two log lines about a model."""
REPORT_S = 1.0
"""Seconds between two reports to the worker."""


class UsageReports:
    """Counts the use of each model, and reports it every few seconds."""

    def __init__(
        self,
        models: Iterable[str],
        report: Callable[[Mapping[str, Usage], float], None],
    ) -> None:
        """models: names of the loaded models.
        report(usage, seconds): called with the usage of each model, and the seconds of
            all steps since the start."""
        self._of = {name: Usage() for name in models}
        self._past_s = 0.0
        """Seconds of the steps of models that were unloaded, or are counted anew."""
        self._report = report
        self._log_at = time.monotonic() + LOG_S
        self._report_at = 0.0
        self._logged: dict[str, int] = {}
        """Images of each model in its last log line."""
        self._log = structlog.get_logger("runner")

    def __getitem__(self, model: str) -> Usage:
        """Return the usage of a model, to which steps are added."""
        return self._of[model]

    def add(self, model: str) -> None:
        """Count for a model that was loaded later, or again, from zero."""
        self.remove(model)
        self._of[model] = Usage()

    def remove(self, model: str) -> None:
        """Forget a model that was unloaded; the seconds of its steps still count."""
        self._logged.pop(model, None)
        usage = self._of.pop(model, None)
        if usage is not None:
            self._past_s += usage.seconds

    def now_and_then(self) -> None:
        """Report and log if it is time; called after each turn."""
        now = time.monotonic()
        if now > self._report_at:
            self.report()
        if now > self._log_at:
            self.log()

    def report(self) -> None:
        """Report the usage now. The next report is due REPORT_S later."""
        self._report_at = time.monotonic() + REPORT_S
        own_s = sum(usage.seconds for usage in self._of.values())
        self._report(self._of, self._past_s + own_s)

    def log(self) -> None:
        """Log the usage of each model that has drawn images since its last line."""
        self._log_at = time.monotonic() + LOG_S
        for name, usage in self._of.items():
            if usage.images and usage.images != self._logged.get(name):
                self._logged[name] = usage.images
                occupancy, seconds = round(usage.occupancy, 2), round(usage.seconds, 3)
                self._log.info(
                    "model_used",
                    model=name,
                    images=usage.images,
                    step_s=seconds,
                    occupancy=occupancy,
                )
