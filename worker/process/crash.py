"""Ends a process if one of its threads fails with an unexpected error. Half alive it
would keep its jobs for ever; once it has ended, their leases expire."""

import os
import threading

import structlog

EXIT_CRASHED = 70
"""Exit status of a process that ended itself this way."""
EXIT_STOPPED = 75
"""Exit status of a training's process that was asked to stop and has saved its
state."""


def end_with_any_thread() -> None:
    """From now on, log an uncaught error of any thread and end this process at once
    with EXIT_CRASHED, without cleaning up. Replaces `threading.excepthook`."""
    threading.excepthook = _crash


def _crash(arguments: threading.ExceptHookArgs) -> None:
    thread = arguments.thread.name if arguments.thread else "?"
    structlog.get_logger("worker").critical(
        "thread_crashed", thread=thread, exc_info=arguments.exc_value
    )
    os._exit(EXIT_CRASHED)
