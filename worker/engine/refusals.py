"""The reasons why a model is not served, as text that any user may see."""

import re
from pathlib import Path

import structlog

from model_core.errors import PixelRNNError
from worker.engine.failures import is_card_error, is_out_of_memory

LONGEST = 500
"""Most characters of an announced reason."""
_LONGEST_BEFORE_CUT = 8192
"""Most characters of a reason that may still contain paths, which are long."""


_FOLDERS = re.compile(r"(?<![\w/.])/(?:[\w.+@-]+/)+")
"""The folders of an absolute path."""


def reason_of(error: Exception) -> str:
    """Return the reason as text that any JSON encoder accepts; it may contain the path
    of the model's directory.

    For an OSError it contains only the name of the file, without its folders.
    """
    if is_out_of_memory(error):
        reason = "there is not enough memory for it"
    elif isinstance(error, OSError) and error.strerror:
        file = Path(error.filename).name if isinstance(error.filename, str) else ""
        reason = f"{file}: {error.strerror}" if file else error.strerror
    elif isinstance(error, (PixelRNNError, OSError, FloatingPointError)) and str(error):
        reason = str(error)
    else:
        reason = f"looking at it failed: {type(error).__name__}: {error}"
    return reason.encode(errors="backslashreplace").decode()[:_LONGEST_BEFORE_CUT]


def log_refusal(name: str, error: Exception, place: Path) -> str:
    """Log why a model is not served. Return the reason without any path of this
    machine, in at most LONGEST characters.

    place: the model's directory. Raises `error` again if the GPU has failed, which is
    not the model's fault.
    """
    if is_card_error(error):
        raise error
    reason = reason_of(error)
    structlog.get_logger("models").error("model_refused", model=name, reason=reason)
    return without_places(reason, place)[:LONGEST]


def without_places(reason: str, place: Path) -> str:
    """Return a text in which files of a directory are named relative to it, and most
    folders of absolute paths are removed, so that clients do not see them. Paths with
    spaces and addresses with a scheme keep some of theirs."""
    for directory in (place, place.absolute(), place.resolve()):
        reason = reason.replace(f"{directory}/", "").replace(str(directory), "it")
    return _FOLDERS.sub("", reason)
