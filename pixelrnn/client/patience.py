"""When to try again, and when to give up."""

import random
from typing import cast

import httpx

from pixelrnn.client import documents
from pixelrnn.client.errors import ApiError, ServiceError, UnreachableError

_PASSING = frozenset({429, 502, 503, 504})
"""Statuses that may have changed a moment later."""
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 30.0


class Patience:
    """The retries of one call: counts its failures, and says how long to pause after each."""

    def __init__(self, tries: int) -> None:
        self._tries = tries
        self.renew()

    def renew(self) -> None:
        """Something arrived: count failures from zero again."""
        self._left = self._tries
        self._pause_s = _FIRST_PAUSE_S

    def after_answer(self, response: httpx.Response) -> float | None:
        """Seconds to pause before the next try; None: the answer is good. Raises ApiError when trying is of no use."""
        if response.is_success:
            return None
        if response.status_code not in _PASSING:
            raise error_of(response)
        return self._pause(error_of(response), _retry_after(response))

    def after_silence(self, error: httpx.TransportError | None) -> float:
        """Seconds to pause after a connection that failed or broke. Raises UnreachableError after the last try."""
        return self._pause(UnreachableError(f"no answer from the service: {error or 'the stream ended early'}"), None)

    def _pause(self, error: ServiceError, asked_s: float | None) -> float:
        self._left -= 1
        if self._left <= 0:
            raise error
        pause_s = self._pause_s * random.uniform(0.5, 1.0)
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return max(pause_s, min(asked_s or 0.0, _LONGEST_PAUSE_S))


def error_of(response: httpx.Response) -> ApiError:
    """The error that a refusal means; its body must have been read. Something in between may have said it in other
    words than the service's."""
    try:
        said = response.json()
    except ValueError:
        said = None
    unknown = {"type": "about:blank", "title": response.reason_phrase, "status": response.status_code, "detail": ""}
    return ApiError(
        response.status_code, cast(documents.Problem, {**unknown, **(said if isinstance(said, dict) else {})})
    )


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
