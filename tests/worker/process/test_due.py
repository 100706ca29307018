"""By when another process is back: by the clock, and by what it has used of a processor."""

import threading
import time
from collections.abc import Iterator

import pytest

from model_core.sampling.compiled.threads import run_together, used_by_threads
from worker.process import due
from worker.process.due import STILL_S, Due, shared_file, used_s


class Clock:
    """A clock that is set by hand, and so is the time that any thread has used of a processor."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.used = 10.0
        self.used_by_helpers = {-1: 20.0, -2: 30.0}

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(due, "time", clock)
    monkeypatch.setattr(
        due, "used_s", lambda thread: clock.used_by_helpers.get(thread, clock.used)
    )
    monkeypatch.setattr(due, "_own_used_s", lambda: clock.used)
    return clock


@pytest.fixture
def both() -> Iterator[tuple[Due, Due]]:
    """Of the process that says it, and of the one that looks."""
    with shared_file() as file:
        yield Due(file.fileno()), Due(file.fileno())


def test_time_is_over_for_both_processes_when_it_has_passed(
    both: tuple[Due, Due], clock: Clock
) -> None:
    """What one says, the other reads."""
    theirs, ours = both
    theirs.within(2)
    assert not ours.is_over()
    clock.now += 2.1
    assert ours.is_over()


def test_slow_thread_is_not_hung_while_it_uses_a_little_of_a_processor(
    both: tuple[Due, Due], clock: Clock
) -> None:
    """A hundredth of a second each half minute, for an hour; until it has used what it asked for."""
    theirs, ours = both
    theirs.within(2)
    for _ in range(120):
        clock.now += STILL_S
        clock.used += 0.01
        assert not ours.is_hung()
    clock.used += 1
    assert ours.is_hung()


def test_thread_that_uses_no_processor_is_hung_after_half_a_minute(
    both: tuple[Due, Due], clock: Clock
) -> None:
    """From the first look that finds it late: both processes may have been stopped. What it says then ends it."""
    theirs, ours = both
    theirs.within(2)
    clock.now += 500
    assert not ours.is_hung()
    clock.now += STILL_S
    assert not ours.is_hung()
    clock.now += 0.1
    assert ours.is_hung()
    theirs.within(2)
    assert not ours.is_hung()


@pytest.fixture
def both_with_helpers(clock: Clock) -> Iterator[tuple[Due, Due]]:
    """Of a process whose thread waits for two others, and of the one that looks."""

    def helpers() -> list[tuple[int, float]]:
        return list(clock.used_by_helpers.items())

    with shared_file() as file:
        yield Due(file.fileno(), helpers), Due(file.fileno())


def test_helper_that_has_used_its_time_is_hung(
    both_with_helpers: tuple[Due, Due], clock: Clock
) -> None:
    """The thread that waits for it uses no processor, nor does the other helper. Once it
    is back, nothing is hung."""
    theirs, ours = both_with_helpers
    theirs.within(2)
    clock.now += 2.1
    clock.used_by_helpers[-2] += 1.9
    assert not ours.is_hung()
    clock.used_by_helpers[-2] += 0.2
    assert ours.is_hung()
    theirs.within(2)
    clock.now += 2.1
    assert not ours.is_hung()


def test_helpers_whose_processors_others_use_are_not_hung(
    both_with_helpers: tuple[Due, Due], clock: Clock
) -> None:
    """One of them gets a hundredth of a second each half minute; hung are all when none
    gets any."""
    theirs, ours = both_with_helpers
    theirs.within(2)
    for turn in range(120):
        clock.now += STILL_S
        clock.used_by_helpers[-1 - turn % 2] += 0.01
        assert not ours.is_hung()
    clock.now += STILL_S + 0.1
    assert ours.is_hung()


def test_drawing_thread_that_spins_is_found_while_the_engine_waits() -> None:
    """Real threads: the one that asks says by when it is back, hands a call over that
    ends late, and waits."""
    is_over = threading.Event()

    def spin() -> int:
        while not is_over.is_set():
            pass
        return 0

    def engine(theirs: Due) -> None:
        theirs.within(0.2)
        run_together([], [spin])
        theirs.within(60)

    run_together([], [lambda: 0])  # the thread is there before the turn begins
    with shared_file() as file:
        theirs, ours = Due(file.fileno(), used_by_threads), Due(file.fileno())
        asking = threading.Thread(target=engine, args=(theirs,))
        asking.start()
        until = time.monotonic() + 60
        while not ours.is_hung() and time.monotonic() < until:
            time.sleep(0.05)
        found = ours.is_hung()
        is_over.set()
        asking.join()
        assert found
        assert not ours.is_hung()


def test_expected_thread_has_its_time_before_it_says_anything(
    both: tuple[Due, Due], clock: Clock
) -> None:
    """The first thread of a process that is being started."""
    _, ours = both
    ours.expect(1, 120)
    clock.now += 121
    clock.used += 119
    assert not ours.is_hung()
    clock.used += 2
    assert ours.is_hung()


def test_thread_that_is_gone_has_used_up_everything() -> None:
    """Whoever works uses some of a processor, and no thread has this number."""
    before = used_s(due.threading.get_native_id())
    until = time.thread_time() + 0.1
    while time.thread_time() < until:
        pass
    assert before < used_s(due.threading.get_native_id()) < used_s(2**30)
