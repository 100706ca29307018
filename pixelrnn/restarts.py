"""How soon a process that died is started again, and when to give up. The caller brings the clock."""

from collections import deque
from dataclasses import dataclass, field

DEATHS_LIMIT = 5
WINDOW_S = 60.0
DELAYS_S = (0.1, 0.5, 1.0, 2.0)


@dataclass
class RestartBudget:
    """Deaths of one child: DEATHS_LIMIT within WINDOW_S are too many."""

    _deaths: deque[float] = field(default_factory=deque)

    def after_death(self, now_s: float) -> float | None:
        """Seconds to wait before the next start, or None: give up."""
        self._deaths.append(now_s)
        while now_s - self._deaths[0] > WINDOW_S:
            self._deaths.popleft()
        if len(self._deaths) >= DEATHS_LIMIT:
            return None
        return DELAYS_S[len(self._deaths) - 1]
