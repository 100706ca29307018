"""How soon a process that died is started again, and when to give up. The caller brings the clock."""

from collections import deque
from dataclasses import dataclass, field

DEATHS_LIMIT = 5
WINDOW_S = 60.0
DELAYS_S = (0.1, 0.5, 1.0, 2.0)
FIRST_WAIT_S = 1.0
LONGEST_WAIT_S = 30.0


@dataclass
class RestartBudget:
    """Deaths of one child: DEATHS_LIMIT within WINDOW_S are too many."""

    _deaths: deque[float] = field(default_factory=deque)
    _wait_s: float = 0.0
    _waits_since: float = 0.0

    def after_death(self, now_s: float) -> float | None:
        """Seconds to wait before the next start, or None: give up."""
        self._deaths.append(now_s)
        while now_s - self._deaths[0] > WINDOW_S:
            self._deaths.popleft()
        if len(self._deaths) >= DEATHS_LIMIT:
            return None
        return DELAYS_S[len(self._deaths) - 1]

    def after_want(self, now_s: float) -> float:
        """Return the seconds to wait after a death that must not end the others.

        Such a death is not counted: its process lacked something that others must give
        back, or the others can do without it. Each one in a row is waited out twice as
        long as the one before, up to LONGEST_WAIT_S.
        """
        is_in_a_row = (
            self._wait_s and now_s - self._waits_since < self._wait_s + WINDOW_S
        )
        self._wait_s = (
            min(2 * self._wait_s, LONGEST_WAIT_S) if is_in_a_row else FIRST_WAIT_S
        )
        self._waits_since = now_s
        return self._wait_s
