"""Why a model is not served, in words that anybody can be told."""

import re
from pathlib import Path

import structlog

from model_core.errors import PixelRNNError
from worker.engine.failures import is_card_error, is_out_of_memory

LONGEST = 500
"""Characters of a reason that is announced."""
_LONGEST_BEFORE_CUT = 8192
"""Characters of a reason that may still have paths in it, which are long."""


_FOLDERS = re.compile(r"(?<![\w/.])/(?:[\w.+@-]+/)+")
"""The folders of an absolute path."""


def reason_of(error: Exception) -> str:
    """Return the reason as text that any JSON takes; it may name the model's directory.

    Of an OSError it names the file alone, which may lie anywhere on this machine.
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


def note_refused(name: str, error: Exception, place: Path) -> str:
    """Log why a model is not served, and return the reason without places.

    place: the model's directory. What somebody puts into a models directory costs that
    model alone. Raises the error again if the card has failed, which is no fault of the
    model.
    """
    if is_card_error(error):
        raise error
    reason = reason_of(error)
    structlog.get_logger("models").error("model_refused", model=name, reason=reason)
    return without_places(reason, place)[:LONGEST]


def without_places(reason: str, place: Path) -> str:
    """Return a text that names files of a directory as from there, and no folders of
    this machine."""
    for directory in (place, place.absolute(), place.resolve()):
        reason = reason.replace(f"{directory}/", "").replace(str(directory), "it")
    return _FOLDERS.sub("", reason)
