"""When a process that died is started again, and when to give up. The caller provides
the time."""

from collections import deque
from dataclasses import dataclass, field

DEATHS_LIMIT = 5
"""Deaths within WINDOW_S seconds after which a process is not started again."""
WINDOW_S = 60.0
DELAYS_S = (0.1, 0.5, 1.0, 2.0)
"""Seconds to wait before the next start, by the number of earlier deaths in that
time."""
FIRST_WAIT_S = 1.0
"""Seconds to wait after the first death because something was lacking, such as disk
space."""
LONGEST_WAIT_S = 30.0


@dataclass
class RestartBudget:
    """The deaths of one child process. Each method records one, at `now_s` seconds of a
    clock that never runs backwards, and returns how long to wait before the next
    start."""

    _deaths: deque[float] = field(default_factory=deque)
    _wait_s: float = 0.0
    _waits_since: float = 0.0

    def delay_after_death(self, now_s: float) -> float | None:
        """Return the seconds to wait: longer after each of the deaths within the last
        WINDOW_S seconds. None after the fifth of them (DEATHS_LIMIT): give up."""
        self._deaths.append(now_s)
        while now_s - self._deaths[0] > WINDOW_S:
            self._deaths.popleft()
        if len(self._deaths) >= DEATHS_LIMIT:
            return None
        return DELAYS_S[len(self._deaths) - 1]

    def delay_after_shortage(self, now_s: float) -> float:
        """Return the seconds to wait after a death that must not end the other
        processes: its process lacked something that others must give back, or the
        others can do without it. Such deaths are not counted, and nothing is given up.

        The first wait is FIRST_WAIT_S (1). If the process dies again within WINDOW_S
        (60) seconds after a wait has ended, the next wait is twice as long, up to
        LONGEST_WAIT_S (30).
        """
        is_in_a_row = (
            self._wait_s and now_s - self._waits_since < self._wait_s + WINDOW_S
        )
        self._wait_s = (
            min(2 * self._wait_s, LONGEST_WAIT_S) if is_in_a_row else FIRST_WAIT_S
        )
        self._waits_since = now_s
        return self._wait_s
