"""Log lines: one JSON object on each line of standard error, from every process, for
our own messages and those of libraries.

This is the only file of the contract that needs more than the standard library and
pydantic: structlog.
"""

import logging
import os
from collections.abc import Iterable
from typing import Any, TextIO, cast

import structlog

STDERR = 2
DROPPED = "Log lines that could not be written."
"""Help text of the metric that counts dropped lines."""


class Lines:
    """Writes log lines to standard error, unbuffered.

    A line that cannot be written, for example to a full disk, is dropped and counted in
    `dropped`: no request and no process fails because of its log.
    """

    def __init__(self) -> None:
        self.dropped = 0
        self.dropped_elsewhere = 0
        """Lines that the engine process has dropped, as it last reported."""
        self._is_torn = False

    def write(self, line: str) -> None:
        """Write `line`, which ends with a newline. Count it as dropped if not all of it
        can be written."""
        # Not buffered: an error would then appear later and elsewhere.
        text = line.encode(errors="backslashreplace")
        if self._is_torn:
            # Only a part of the previous line was written: end it first.
            text = b"\n" + text
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
"""The writer of all log lines of this process."""

_COMMON: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.format_exc_info,
]
_JSON = structlog.processors.JSONRenderer(default=str)


def configure(level: str = "info", quiet: Iterable[str] = ()) -> None:
    """Set up logging: of this program (structlog), and of libraries (`logging`, whose
    configuration is replaced). Call it once, when the process starts.

    level: the lowest level that is written, such as `info`.
    quiet: names of loggers that write only warnings and errors.
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
