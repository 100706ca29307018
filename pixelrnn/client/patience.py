"""Decides when to try again, and when to give up."""

import random
import time
from typing import cast

import httpx

from pixelrnn.client import documents
from pixelrnn.client.errors import ApiError, ServiceError, UnreachableError
from pixelrnn.client.settings import Habits

_PASSING = frozenset({408, 429, 502, 503, 504})
"""Statuses that may have changed a moment later."""
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 30.0
_FIRST_CONTACT_S = 2.0
"""How long an address may be tried at which nobody has ever answered: a service that starts, or a mistake."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout)
_HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
"""The request itself is wrong."""


class Patience:
    """The retries of one call: counts its failures, and says how long to pause after each."""

    def __init__(self, habits: Habits) -> None:
        self._habits = habits
        self.renew()

    def renew(self) -> None:
        """There was progress: count failures from zero again, and pause as briefly as at first."""
        self.keep_on()
        self._pause_s = _FIRST_PAUSE_S

    def keep_on(self) -> None:
        """The service has answered: count failures from zero again."""
        self._failures = 0
        self._since = time.monotonic()

    def after_answer(self, response: httpx.Response) -> float | None:
        """Seconds to pause before the next try; None: the answer is good. Raises ApiError when trying is of no use."""
        self._habits.has_answered = True
        if response.is_success:
            return None
        if response.status_code not in _PASSING:
            raise error_of(response)
        return self._pause(error_of(response), _retry_after(response))

    def after_silence(self, error: httpx.TransportError | None) -> float:
        """Seconds to pause after a connection that failed or broke. Raises UnreachableError after the last try."""
        tries = "once" if self._failures == 0 else f"{self._failures + 1} times"
        unreachable = UnreachableError(
            f"no answer from the service: {error or 'the stream ended early'} (tried {tries})"
        )
        if isinstance(error, _HOPELESS):
            raise unreachable
        is_first_contact = (
            isinstance(error, _NOT_SENT) and not self._habits.has_answered
        )
        return self._pause(
            unreachable, None, _FIRST_CONTACT_S if is_first_contact else None
        )

    def _pause(
        self, error: ServiceError, asked_s: float | None, within_s: float | None = None
    ) -> float:
        self._failures += 1
        pause_s = max(
            self._pause_s * random.uniform(0.5, 1.0),
            min(asked_s or 0.0, _LONGEST_PAUSE_S),
        )
        limits = [
            limit for limit in (within_s, self._habits.timeout_s) if limit is not None
        ]
        is_late = time.monotonic() - self._since + pause_s > min(
            limits, default=float("inf")
        )
        if self._failures >= self._habits.tries or is_late:
            raise error
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s


def error_of(response: httpx.Response) -> ApiError:
    """The error that a refusal means; its body must have been read. Something in between may have said it in other
    words than the service's."""
    try:
        said = response.json()
    except ValueError:
        said = None
    unknown = {
        "type": "about:blank",
        "title": response.reason_phrase,
        "status": response.status_code,
        "detail": "",
    }
    return ApiError(
        response.status_code,
        cast(
            documents.Problem, {**unknown, **(said if isinstance(said, dict) else {})}
        ),
    )


def _retry_after(response: httpx.Response) -> float | None:
    try:
        return float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
