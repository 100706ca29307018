"""By when the engine is back: ten times what such turns took, and minutes for what may compile."""

import pytest

from worker.engine.deadlines import (
    DEATHS,
    FIRST_S,
    LEAST_S,
    LOADING_S,
    PATIENCE,
    Deadlines,
)


@pytest.fixture
def said() -> list[float]:
    return []


class Clock:
    """A clock that stands still but for the turns."""

    def __init__(self) -> None:
        self.now = 100.0

    def monotonic(self) -> float:
        return self.now


CLOCK = Clock()


@pytest.fixture
def deadlines(said: list[float], monkeypatch: pytest.MonkeyPatch) -> Deadlines:
    monkeypatch.setattr("worker.engine.deadlines.time", CLOCK)
    return Deadlines(said.append)


def turn(deadlines: Deadlines, kind: str, size: int = 1, seconds: float = 0.0) -> None:
    deadlines.opening()
    deadlines.begin(kind, size)
    CLOCK.now += seconds
    deadlines.end()


def test_first_turn_of_a_kind_has_minutes(
    deadlines: Deadlines, said: list[float]
) -> None:
    """It may compile; and so may the model that is loaded next. What another kind took says nothing of it."""
    deadlines.loading()
    turn(deadlines, "a")
    turn(deadlines, "b")
    assert [said[0], said[2], said[4]] == [LOADING_S, FIRST_S, FIRST_S]


def test_turn_has_ten_times_what_such_turns_took(
    deadlines: Deadlines, said: list[float]
) -> None:
    """By its size; and some seconds at the least, because a machine may be busy with something else."""
    turn(deadlines, "a", size=2, seconds=0.02)
    turn(deadlines, "a", size=1000)
    assert said[-1] == pytest.approx(PATIENCE * 0.01 * 1000)
    turn(deadlines, "a")
    assert said[-1] == LEAST_S


def test_one_slow_turn_is_forgotten(deadlines: Deadlines, said: list[float]) -> None:
    """That one compiled a minute long does not give all others ten."""
    turn(deadlines, "a", seconds=0.05)
    for _ in range(500):
        turn(deadlines, "a")
    turn(deadlines, "a", size=10_000)
    assert said[-1] < PATIENCE * 0.05 * 10_000 / 20


def test_turn_has_minutes_when_two_workers_died_with_its_job(
    deadlines: Deadlines, said: list[float]
) -> None:
    """They may have been ended too early; a turn that has more anyway keeps it."""
    turn(deadlines, "a", seconds=0.05)
    for size, deaths in ((1, DEATHS - 1), (1, DEATHS), (10_000, DEATHS)):
        deadlines.begin("a", size, deaths)
    assert said[-3:] == [LEAST_S, FIRST_S, pytest.approx(PATIENCE * 0.05 * 10_000)]
