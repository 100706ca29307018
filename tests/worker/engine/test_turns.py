"""Whose turn it is."""

from worker.engine.scheduler import Turns


def take(turns: Turns, ready: dict[str, float], count: int) -> list[str]:
    """Let those in `ready` (and how long a turn of each lasts) have `count` turns."""
    order = []
    for _ in range(count):
        order.append(turns.next(list(ready)))
        turns.charge(order[-1], ready[order[-1]])
    return order


def test_time_is_shared_when_turns_differ_in_length() -> None:
    """A model with steps of 40 ms gets a fifth of the steps of one with 10 ms, and half of the time."""
    order = take(Turns(), {"slow": 40.0, "fast": 10.0}, 50)
    assert order.count("slow") == 10
    assert order.count("fast") == 40


def test_newcomer_saves_up_nothing_when_it_was_idle() -> None:
    """It goes soon, and then shares: a long silence is no claim to the whole thread."""
    turns = Turns()
    take(turns, {"busy": 1.0}, 100)
    order = take(turns, {"busy": 1.0, "new": 1.0}, 10)
    assert "new" in order[:2]
    assert order.count("new") == 5


def test_one_that_returns_is_not_punished_when_others_were_idle_meanwhile() -> None:
    """Time that nobody else wanted costs nothing later."""
    turns = Turns()
    take(turns, {"a": 1.0, "b": 1.0}, 2)
    take(turns, {"a": 1.0}, 100)
    assert take(turns, {"a": 1.0, "b": 1.0}, 10).count("a") == 5
