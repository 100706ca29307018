"""Why a model is not served, in words that anybody can be told."""

import structlog

from model_core.errors import PixelRNNError
from worker.engine.failures import is_card_error, is_out_of_memory

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
    """Log and return the reason why a model is not served; the others are.

    Raises the error again if the card has failed, which is no fault of the model.
    """
    if is_card_error(error):
        raise error
    reason = reason_of(error)
    structlog.get_logger("models").error("model_refused", model=name, reason=reason)
    return reason
