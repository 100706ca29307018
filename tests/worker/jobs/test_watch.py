"""A hung engine loses its leases, and then its life."""

from typing import Any

import pytest

from worker.contract import keys
from worker.jobs import watch
from worker.jobs.watch import Watch


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(watch, "time", clock)
    return clock


class Engine:
    def __init__(self) -> None:
        self.late = False
        self.renewed = 0
        self.killed = 0

    def renew(self, _: Any) -> None:
        self.renewed += 1

    def kill(self) -> None:
        self.killed += 1


def beats(engine: Engine, clock: Clock, *late: bool) -> None:
    watching = Watch(lambda: engine.late, engine.renew, engine.kill)
    for engine.late in late:
        watching.beat(None)  # type: ignore[arg-type]
        clock.now += 1


def test_leases_are_kept_when_the_engine_is_in_time(clock: Clock) -> None:
    """As long as it is, and again when it came back before its leases had lapsed."""
    engine = Engine()
    beats(
        engine,
        clock,
        False,
        *[True] * keys.LEASE_S,
        False,
        *[True] * keys.LEASE_S,
        False,
    )
    assert (engine.renewed, engine.killed) == (3, 0)


def test_engine_is_killed_when_it_is_late_for_the_time_of_a_lease(clock: Clock) -> None:
    """By then its leases have lapsed: they were not renewed since it was late."""
    engine = Engine()
    beats(engine, clock, False, *[True] * (keys.LEASE_S + 1))
    assert (engine.renewed, engine.killed) == (1, 1)
