"""One JSON object a line on standard error, the same from every process: for our own words and those of the libraries.

The one file of the contract that needs more than the standard library and pydantic: structlog.
"""

import logging
import sys
from collections.abc import Iterable
from typing import Any

import structlog

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
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),
        cache_logger_on_first_use=True,
    )
    lines = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_COMMON, processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _JSON]
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(lines)
    logging.basicConfig(level=lowest, handlers=[handler], force=True)
    for name in quiet:
        logging.getLogger(name).setLevel(logging.WARNING)
