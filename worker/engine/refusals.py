"""Why a model is not served, in words that anybody can be told."""

import structlog

from model_core.errors import PixelRNNError
from worker.engine.memory import is_out_of_memory

LONGEST = 500


def reason_of(error: Exception) -> str:
    """The reason as text that any JSON takes."""
    if is_out_of_memory(error):
        reason = "there is not enough memory for it"
    elif isinstance(error, (PixelRNNError, OSError, FloatingPointError)) and str(error):
        reason = str(error)
    else:
        reason = f"looking at it failed: {type(error).__name__}: {error}"
    return reason.encode(errors="backslashreplace").decode()[:LONGEST]


def note_refused(name: str, error: Exception) -> str:
    """The reason, which is logged: what somebody put into the models directory costs that model alone."""
    reason = reason_of(error)
    structlog.get_logger("models").error("model_refused", model=name, reason=reason)
    return reason
