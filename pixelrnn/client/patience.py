"""Decide when to try a call again, and when to give it up."""

import random
import time
from typing import cast

import httpx

from pixelrnn.client import documents
from pixelrnn.client.errors import ApiError, ServiceError, UnreachableError
from pixelrnn.client.settings import Habits

_PASSING = frozenset({408, 429, 502, 503, 504})
"""Statuses after which a later try may succeed."""
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 30.0
_FIRST_CONTACT_S = 2.0
"""Seconds for which an address is tried that has never responded: the service may be
starting, or the address may be wrong."""
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout)
"""Errors after which the service has not received the request."""
_HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError)
"""Errors of an invalid request, for which further tries are useless."""
_OF_A_PROXY = frozenset({502, 504})
"""Statuses of a proxy that got no response from the service, which may have carried the
request out. Its own refusals have other statuses."""


class Patience:
    """Counts the failures of one call, and decides how long to pause after each, and
    when to give up."""

    def __init__(self, habits: Habits) -> None:
        """habits: those of the client; `has_answered` is set in them."""
        self._habits = habits
        self.may_be_done = False
        """True if the service may have carried out an earlier try, whose response was
        lost."""
        self.renew()

    def renew(self) -> None:
        """Count failures from zero again, and start with a short pause, because there
        was progress."""
        self.keep_on()
        self._pause_s = _FIRST_PAUSE_S

    def keep_on(self) -> None:
        """Count failures from zero again, because the service has responded."""
        self._failures = 0
        self._since = time.monotonic()

    def after_answer(self, response: httpx.Response) -> float | None:
        """Return the seconds to pause before the next try; None if the response is a
        success. Raise ApiError if further tries are useless, or after the last one."""
        self._habits.has_answered = True
        if response.is_success:
            return None
        if response.status_code not in _PASSING:
            raise error_of(response)
        if response.status_code in _OF_A_PROXY:
            self.may_be_done = True
        return self._pause(error_of(response), _retry_after(response))

    def after_silence(self, error: httpx.TransportError | None) -> float:
        """Return the seconds to pause after a connection that failed (`error`), or a
        stream that ended early (None). Raises UnreachableError after the last try;
        earlier if the client's timeout is over, or after two seconds at an address that
        has never responded."""
        tries = "once" if self._failures == 0 else f"{self._failures + 1} times"
        unreachable = UnreachableError(
            "no answer from the service: "
            f"{error or 'the stream ended early'} (tried {tries})"
        )
        if isinstance(error, _HOPELESS):
            raise unreachable
        was_not_sent = isinstance(error, _NOT_SENT)
        if not was_not_sent:
            self.may_be_done = True
        is_first_contact = was_not_sent and not self._habits.has_answered
        limit_s = _FIRST_CONTACT_S if is_first_contact else None
        return self._pause(unreachable, None, limit_s)

    def _pause(
        self,
        error: ServiceError,
        requested_s: float | None,
        limit_s: float | None = None,
    ) -> float:
        """Count a failure, and return the seconds to pause. Raise `error` after the
        last try, or if the pause would end too late.

        requested_s: the pause that the service asks for.
        limit_s: seconds that the call may take, in addition to the client's timeout.
        """
        self._failures += 1
        # Random, so that clients that failed together do not return together.
        own_s = self._pause_s * random.uniform(0.5, 1.0)
        pause_s = max(own_s, min(requested_s or 0.0, _LONGEST_PAUSE_S))

        limits = [
            limit for limit in (limit_s, self._habits.timeout_s) if limit is not None
        ]
        end_s = time.monotonic() - self._since + pause_s
        is_late = end_s > min(limits, default=float("inf"))
        if self._failures >= self._habits.tries or is_late:
            raise error
        self._pause_s = min(2 * self._pause_s, _LONGEST_PAUSE_S)
        return pause_s


def error_of(response: httpx.Response) -> ApiError:
    """Return the error of an unsuccessful response, whose body must have been read. If
    a proxy sent it, without a problem document, the problem contains its status and
    reason only."""
    try:
        content = response.json()
    except ValueError:
        content = None
    problem = {
        "type": "about:blank",
        "title": response.reason_phrase,
        "status": response.status_code,
        "detail": "",
    }
    if isinstance(content, dict):
        problem |= content
    return ApiError(response.status_code, cast(documents.Problem, problem))


def _retry_after(response: httpx.Response) -> float | None:
    """Return the seconds in the Retry-After header, if it has a number."""
    try:
        return float(response.headers.get("retry-after", ""))
    except ValueError:
        return None
