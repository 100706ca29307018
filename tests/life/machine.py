"""The moves of `World`, chosen by hypothesis."""

import contextlib
import logging
from collections.abc import Iterator
from random import Random
from typing import Any

import structlog
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from tests.life.faults import Fault
from tests.life.sources import clock_by_hand
from tests.life.world import BrokenPromiseError, World

STEPS_OF_A_LIFE = 50

Move = list[tuple[str, dict[str, Any]]]
"""Move that are made together."""


def _overtake(worker: int) -> Move:
    """The other worker was silent for too long, and this one goes on with its jobs."""
    return [
        ("wait", {"seconds": 5}),
        *[(name, {"worker": worker}) for name in ("beat", "recover", "take")],
    ]


def _crowd() -> Move:
    """One owner sends several jobs, and another one."""
    jobs = [
        {"kind": "sample", "key": False, "owner": owner, "priority": "interactive"}
        for owner in "cccd"
    ]
    return [("submit", job) for job in jobs]


def _forget(worker: int, rows: int) -> Move:
    """Rows are written, and then the server comes back without them."""
    draw = ("draw", {"worker": worker, "rows": rows})
    return [
        ("save", {}),
        draw,
        ("write", {"worker": worker, "fault": Fault.OLDER.value, "after": 0}),
    ]


WEIGHTS = {
    "submit": 6, "cancel": 3, "take": 10, "take_newcomer": 1, "draw": 8, "write": 10, "finish": 6, "beat": 1,
    "recover": 1.5, "fail": 0.5, "stop": 0.7, "kill": 0.5, "wait": 1.5, "arrive": 3, "save": 1, "overtake": 1,
    "forget": 3, "crowd": 1,
}  # fmt: skip
"""How often each is chosen."""
COMMANDS = {
    "submit": 1, "cancel": 2, "take": 4, "take_newcomer": 5, "write": 2, "finish": 4, "beat": 1, "recover": 9,
    "stop": 4,
}  # fmt: skip
"""About how many commands each sends: at one of them something may go wrong."""
FAULTY = 0.3
_FIRST = {"forget": "draw", "overtake": "wait", "crowd": "submit"}
"""Of what several steps are, the one that has to be possible."""


def chosen(seed: int, world: World) -> Move:
    """One of the moves that change something now, by chance: hypothesis itself would rather try again what it has just
    tried."""
    chance = Random(seed)
    moves = [
        (name, worker)
        for name in WEIGHTS
        for worker in (0, 1)
        if world.can(_FIRST.get(name, name), worker)
    ]
    ((name, worker),) = chance.choices(moves, [WEIGHTS[name] for name, _ in moves])
    if name == "overtake":
        return _overtake(worker)
    if name == "crowd":
        return _crowd()
    if name == "forget":
        return _forget(worker, chance.randint(1, 3))
    arguments: dict[str, Any] = {
        "submit": {
            "kind": chance.choice(["sample", "sample", "score"]),
            "key": chance.random() < 0.3,
            "owner": chance.choice("cd"),
            "priority": chance.choice(["interactive", "interactive", "bulk"]),
        },
        "cancel": {"job": chance.randrange(4)},
        "wait": {"seconds": chance.choice([1, 3, 5, 21])},
        "draw": {"worker": worker, "rows": chance.randint(1, 3)},
        "arrive": {},
        "save": {},
    }.get(name, {"worker": worker})
    if name in COMMANDS and chance.random() < FAULTY:
        arguments |= {
            "fault": chance.choice(list(Fault)).value,
            "after": chance.randrange(COMMANDS[name]),
        }
    return [(name, arguments)]


class Life(RuleBasedStateMachine):
    """Moves until one breaks a promise."""

    url = ""
    made = 0
    """Moves of all lives."""
    broken: tuple[str, Move] = "", []
    """The promise, and the moves up to there."""

    def __init__(self) -> None:
        super().__init__()
        self.world = World(self.url)
        self._is_whole = True

    def _step(self, name: str, **arguments: Any) -> None:
        Life.made += 1
        self._is_whole = False
        try:
            self.world.step(name, **arguments)
        except BrokenPromiseError as broken:
            Life.broken = str(broken), self.world.steps
            raise
        self._is_whole = True

    def teardown(self) -> None:
        try:
            if self._is_whole:
                self._step("settle_down")
        finally:
            self.world.close()

    @rule(seed=st.integers(0, 2**32))
    def move(self, seed: int) -> None:
        for name, arguments in chosen(seed, self.world):
            self._step(name, **arguments)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """Without the log, which speaks of every fault."""
    before = structlog.get_config()
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL)
    )
    logging.disable(logging.CRITICAL)
    try:
        yield
    finally:
        structlog.configure(**before)
        logging.disable(logging.NOTSET)


def live(url: str, lives: int, random: bool = True) -> None:
    """So many lives of STEPS_OF_A_LIFE moves on the server at this address; random: others each time. Raises
    BrokenPromiseError; `Life.broken` has the moves."""
    how = settings(
        max_examples=lives, stateful_step_count=STEPS_OF_A_LIFE, deadline=None, database=None, derandomize=not random,
        phases=(Phase.generate,), report_multiple_bugs=False,
        suppress_health_check=(HealthCheck.too_slow, HealthCheck.data_too_large),
    )  # fmt: skip
    Life.url = url
    with clock_by_hand(), silent():
        run_state_machine_as_test(Life, settings=how)


def replay(url: str, steps: Move) -> None:
    """The same moves again. Raises BrokenPromiseError."""
    with clock_by_hand(), silent():
        world = World(url)
        try:
            for name, arguments in steps:
                world.step(name, **arguments)
        finally:
            world.close()


def shortened(url: str, steps: Move, promise: str) -> Move:
    """As few of these moves, and of their faults, as still break the promise: halves are left out, then quarters, down
    to single ones."""
    for i, (name, arguments) in enumerate(steps):
        well = {
            word: value
            for word, value in arguments.items()
            if word not in ("fault", "after")
        }
        without = [*steps[:i], (name, well), *steps[i + 1 :]]
        if well != arguments and broken_by(url, without) == promise:
            steps = without
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


def broken_by(url: str, steps: Move) -> str | None:
    """The promise that these moves break."""
    try:
        replay(url, steps)
    except BrokenPromiseError as broken:
        return str(broken)
    return None
