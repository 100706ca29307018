"""One JSON object a line on standard error, the same from every process: for our own words and those of the libraries.

The one file of the contract that needs more than the standard library and pydantic: structlog.
"""

import logging
import os
from collections.abc import Iterable
from typing import Any, TextIO, cast

import structlog

STDERR = 2
DROPPED = "Log lines that could not be written."


class Lines:
    """Standard error. A line that cannot be written, to a full disk for example, is dropped and counted: no request and
    no process ends for want of its log. Nothing waits in a buffer, whose failure would come later and elsewhere."""

    def __init__(self) -> None:
        self.dropped = 0
        self.dropped_elsewhere = 0
        """Lines that the engine's process dropped, as it said last."""
        self._is_torn = False

    def write(self, line: str) -> None:
        text = ("\n" if self._is_torn else "").encode() + line.encode(
            errors="backslashreplace"
        )
        try:
            written = os.write(STDERR, text)
        except OSError:
            self.dropped += 1
            return
        self._is_torn = written < len(text)
        self.dropped += self._is_torn

    def flush(self) -> None:
        """Do nothing: each line is written at once."""


lines = Lines()
"""Takes all log lines of this process."""

_COMMON: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]
_JSON = structlog.processors.JSONRenderer(default=str)


def configure(level: str = "info", quiet: Iterable[str] = ()) -> None:
    """Once, where the process starts. Our own lines are written directly, those of libraries through `logging`.

    `quiet`: loggers of libraries that say only what is a warning or worse.
    """
    lowest = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[*_COMMON, _JSON],
        wrapper_class=structlog.make_filtering_bound_logger(lowest),
        logger_factory=lambda *_: structlog.WriteLogger(cast("TextIO", lines)),
        cache_logger_on_first_use=True,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_COMMON,
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _JSON],
    )
    handler = logging.StreamHandler(lines)
    handler.setFormatter(formatter)
    logging.basicConfig(level=lowest, handlers=[handler], force=True)
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)
