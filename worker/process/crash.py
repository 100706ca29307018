"""A process whose thread died of a bug ends: half alive it would hold its jobs for ever. Their leases lapse instead."""

import os
import threading

import structlog

EXIT_CRASHED = 70
EXIT_STOPPED = 75
"""Exit status of a training's process that was told to stop and has kept what it has."""


def end_with_any_thread() -> None:
    """Let an error in any thread end this process, from now on."""
    threading.excepthook = _crash


def _crash(arguments: threading.ExceptHookArgs) -> None:
    thread = arguments.thread.name if arguments.thread else "?"
    structlog.get_logger("worker").critical(
        "thread_crashed", thread=thread, exc_info=arguments.exc_value
    )
    os._exit(EXIT_CRASHED)
