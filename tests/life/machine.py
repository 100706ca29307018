"""The moves of `World`, chosen by hypothesis."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.life.faults import Fault
from tests.life.sources import clock_by_hand
from tests.life.world import BrokenPromiseError, World

STEPS_OF_A_LIFE = 50

Steps = list[tuple[str, dict[str, Any]]]

_FAULTS = st.sampled_from(["", "", "", *[fault.value for fault in Fault]])
_AFTER = st.integers(0, 3)
_WORKER = st.integers(0, 1)


class Life(RuleBasedStateMachine):
    """Moves until one breaks a promise. What they were stands in `steps` of the last world."""

    url = ""
    made = 0
    """Moves of all lives."""
    last: World | None = None

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.url)
        Life.last = self.world
        self._is_whole = True

    def _step(self, name: str, **arguments: Any) -> None:
        Life.made += 1
        self._is_whole = False
        self.world.step(name, **arguments)
        self._is_whole = True

    def teardown(self) -> None:
        try:
            if self._is_whole:
                self._step("settle_down")
        finally:
            self.world.close()

    @rule(kind=st.sampled_from(["sample", "score"]), key=st.booleans(), fault=_FAULTS, after=st.integers(0, 0))
    def submit(self, **arguments: Any) -> None:
        self._step("submit", **arguments)

    @rule(job=st.integers(0, 3), fault=_FAULTS, after=st.integers(0, 1))
    def cancel(self, **arguments: Any) -> None:
        self._step("cancel", **arguments)

    @rule(worker=_WORKER, fault=_FAULTS, after=_AFTER)
    def take(self, **arguments: Any) -> None:
        self._step("take", **arguments)

    @rule(worker=_WORKER, fault=_FAULTS, after=st.integers(0, 0))
    def beat(self, **arguments: Any) -> None:
        self._step("beat", **arguments)

    @rule(worker=_WORKER, rows=st.integers(1, 3))
    def draw(self, **arguments: Any) -> None:
        self._step("draw", **arguments)

    @rule(worker=_WORKER, rows=st.integers(1, 3), fault=_FAULTS, after=_AFTER)
    def draw_and_write(self, worker: int, rows: int, fault: str, after: int) -> None:
        self._step("draw", worker=worker, rows=rows)
        self._step("write", worker=worker, fault=fault, after=after)

    @rule(worker=_WORKER, fault=_FAULTS, after=_AFTER)
    def overtake(self, worker: int, fault: str, after: int) -> None:
        """The other worker was silent for too long, and this one goes on with its jobs."""
        self._step("wait", seconds=5)
        self._step("beat", worker=worker)
        self._step("recover", worker=worker)
        self._step("take", worker=worker, fault=fault, after=after)

    @rule(worker=_WORKER, fault=_FAULTS, after=_AFTER)
    def write(self, **arguments: Any) -> None:
        self._step("write", **arguments)

    @rule(worker=_WORKER)
    def fail(self, **arguments: Any) -> None:
        self._step("fail", **arguments)

    @rule(worker=_WORKER, fault=_FAULTS, after=_AFTER)
    def finish(self, **arguments: Any) -> None:
        self._step("finish", **arguments)

    @rule(worker=_WORKER, fault=_FAULTS, after=_AFTER)
    def stop(self, **arguments: Any) -> None:
        self._step("stop", **arguments)

    @rule(worker=_WORKER)
    def kill(self, **arguments: Any) -> None:
        self._step("kill", **arguments)

    @rule(worker=_WORKER, fault=_FAULTS, after=st.integers(0, 8))
    def recover(self, **arguments: Any) -> None:
        self._step("recover", **arguments)

    @rule(seconds=st.sampled_from([1, 3, 5, 21]))
    def wait(self, **arguments: Any) -> None:
        self._step("wait", **arguments)

    @rule()
    def arrive(self) -> None:
        self._step("arrive")

    @rule()
    def save(self) -> None:
        self._step("save")


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Without the log, which speaks of every fault."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        structlog.reset_defaults()
        logging.disable(logging.NOTSET)


def live(url: str, lives: int, random: bool = True) -> None:
    """So many lives of STEPS_OF_A_LIFE moves on the server at this address; random: others each time. Raises what
    broke; the moves that broke it are those of `Life.last`."""
    how = settings(
        max_examples=lives, stateful_step_count=STEPS_OF_A_LIFE, deadline=None, database=None, derandomize=not random,
        phases=(Phase.generate,), report_multiple_bugs=False, suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    Life.url = url
    with clock_by_hand(), silent():
        run_state_machine_as_test(Life, settings=how)


def replay(url: str, steps: Steps) -> None:
    """The same moves again. Raises BrokenPromiseError."""
    with clock_by_hand(), silent():
        world = World(url)
        try:
            for name, arguments in steps:
                world.step(name, **arguments)
        finally:
            world.close()


def shortened(url: str, steps: Steps, promise: str) -> Steps:
    """As few of these moves as still break the promise: leaving out halves, then quarters, down to single moves."""
    size = len(steps)
    while size > 1:
        size = -(-size // 2)
        first = 0
        while first < len(steps):
            fewer = steps[:first] + steps[first + size :]
            if broken_by(url, fewer) == promise:
                steps = fewer
            else:
                first += size
    return steps


def broken_by(url: str, steps: Steps) -> str | None:
    """The promise that these moves break."""
    try:
        replay(url, steps)
    except BrokenPromiseError as broken:
        return str(broken)
    return None
