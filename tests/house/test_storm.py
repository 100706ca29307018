"""A short storm, and the judge whom the long one relies on. `python -m tests.storm` blows for hours."""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from pixelrnn.client.errors import ApiError, UnreachableError
from tests.house.running import Up
from tests.storm.counts import (
    BEGIN,
    COUNTS,
    END,
    PAGE,
    Books,
    Counts,
    Fault,
    bound,
    table,
)
from tests.storm.faults import KINDS
from tests.storm.judge import Account, Outcome, Seen, Verdict, judge
from tests.storm.load import Mix
from tests.storm.sitting import ENOUGH, Storm, shortfalls, sit
from tests.storm.wishes import TRAINING, first_wishes
from tests.storm.world import World
from worker.contract.added import uploads_in

SHORT = [
    "worker, kill -9",
    "reply of Redis lost",
    "Redis, SIGSTOP 1 to 30 s",
    "command to Redis late by up to 8 s",
    "API, kill -9",
    "`pixelrnn up`, SIGSTOP 1 to 30 s",
    "Redis, back with an older state",
    "engine, kill -9",
    "Redis, disk full",
    "file of keys torn for up to 3 s",
    "model exchanged",
    "model put in, bad",
    "logs, disk full",
]


@pytest.mark.weekly
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_nothing_is_lost_or_drawn_otherwise_in_a_storm(
    tmp_path: Path, all_models_dir: Path
) -> None:
    """A fault of each family (each process, the server's data and disk, the wire, models, keys, logs) while jobs of all
    kinds are drawn: each job ends once, with the bytes of an undisturbed run, and its readers are told so; and nothing
    exits but what was killed."""
    counts = Counts(tmp_path / "counts.json")
    kinds = {kind.name: kind for kind in KINDS}
    faults = [
        kinds[name]
        for name in SHORT
        if tmp_path.owner() == "root" or not kinds[name].disk
    ]
    storm = Storm(
        counts, all_models_dir, cores=8, rng=random.Random(1), mix=Mix(per_s=4, told=0)
    )
    asyncio.run(
        sit(storm, tmp_path / "place", apart=True, faults=faults, is_over=lambda: False)
    )
    print(table(counts))
    assert {verdict for of in counts.jobs.values() for verdict in of} <= {
        "jobs",
        "succeeded",
        "canceled",
        "told lost",
    }
    assert counts.total("succeeded") > 0
    assert counts.unexpected_exits == 0
    assert set(counts.faults) == {kind.name for kind in faults}


ROWS = [f'{{"type":"row","sample":0,"y":{y},"pixels":"AAA="}}' for y in range(3)]
OTHER = ROWS[0].replace("AAA=", "AAE=")
RIGHT = Outcome(frozenset(ROWS), "digest")


def account(*numbers: int, end: str = "done", rows: list[str] = ROWS) -> Account:
    """Of a reader who was told these rows, and an end."""
    told = Account()
    for number in numbers:
        _tell(told, "row", rows[number - 1], number)
    status = {"done": "succeeded", "canceled": "canceled", "error": "failed"}.get(end)
    if status:
        _tell(
            told,
            end,
            json.dumps({"id": "j", "status": status}),
            max(numbers, default=0) + 1,
        )
    return told


def _tell(told: Account, name: str, data: str, number: int) -> None:
    for line in (f"event: {name}", f"id: {number}-0", f"data: {data}", ""):
        told.take(f"{line}\n")


def seen(**other: object) -> Seen:
    """A job that succeeded, with one reader; but for what is said."""
    return replace(
        Seen(
            [account(1, 2, 3)], account(1, 2, 3), "succeeded", 3, "digest", accepted=1.0
        ),
        **other,
    )


def refusal(status: int) -> ApiError:
    return ApiError(
        status, {"type": "about:blank", "title": "no", "status": status, "detail": "no"}
    )


@pytest.mark.parametrize("needed", [False, True])
def test_a_trainer_may_end_late_and_no_trainer_may_end_that_is_needed(
    tmp_path: Path, needed: bool
) -> None:
    """One that is told to end, because there is no training, may still be there when the
    next training comes. One that had a training all the time has ended by itself."""
    (tmp_path / "source").mkdir()
    ended: list[str] = []
    world = World(tmp_path, tmp_path / "source", True, ended.append, {})
    trainer, standing = 4194304, dict[int, str]()  # above the highest process id
    world.up = cast(
        Up,
        SimpleNamespace(
            process=SimpleNamespace(poll=lambda: None), processes=lambda: dict(standing)
        ),
    )
    training = uploads_in(tmp_path / "added") / "job"
    training.parent.mkdir(parents=True)
    if needed:
        training.mkdir()
    standing[trainer] = "trainer"
    world._look()
    training.mkdir(exist_ok=True)
    world._look()
    assert ended == []
    standing.clear()
    world._look()
    assert ended == ([f"trainer {trainer}"] if needed else [])


def test_judge_finds_no_harm_where_there_is_none() -> None:
    """A success, a cancel in the middle, and a job that Redis came back without."""
    assert [finding.verdict for finding in judge(seen(), RIGHT)] == ["succeeded"]
    stopped = account(1, 2, end="canceled")
    assert [
        f.verdict
        for f in judge(
            seen(accounts=[stopped], record=stopped, status="canceled"), RIGHT
        )
    ] == ["canceled"]
    gone = seen(trouble=refusal(404))
    assert [finding.verdict for finding in judge(gone, RIGHT, forgotten=True)] == [
        "told lost"
    ]


@pytest.mark.parametrize(
    ("lie", "verdict"),
    [
        (lambda: seen(trouble=refusal(404)), Verdict.LOST),
        (lambda: seen(trouble=TimeoutError()), Verdict.LOST),
        (lambda: seen(trouble=UnreachableError("")), Verdict.LOST),
        (lambda: seen(status="failed"), Verdict.LOST),
        (lambda: seen(trouble=refusal(500)), Verdict.REFUSED),
        (lambda: seen(trouble=refusal(404), accepted=None), Verdict.REFUSED),
        (
            lambda: seen(record=account(1, 2, 3, 4, rows=[*ROWS, ROWS[0]])),
            Verdict.DOUBLED,
        ),
        (lambda: seen(record=account(1, 2)), Verdict.DIFFERING),
        (lambda: seen(rest="other"), Verdict.DIFFERING),
        (
            lambda: seen(
                record=account(1, end="canceled", rows=[OTHER]), status="canceled"
            ),
            Verdict.DIFFERING,
        ),
        (lambda: seen(accounts=[account(1, 3)]), Verdict.MISLED),
        (lambda: seen(accounts=[account(1, 2, 2, 3)]), Verdict.MISLED),
        (lambda: seen(accounts=[account()]), Verdict.MISLED),
        (lambda: seen(accounts=[account(1, 2, 3, end="canceled")]), Verdict.MISLED),
        (lambda: seen(accounts=[account(1, 2, 3, end="")]), Verdict.MISLED),
        (
            lambda: seen(accounts=[account(1, 2, 3, rows=[OTHER, *ROWS[1:]])]),
            Verdict.MISLED,
        ),
        (lambda: seen(by_link=account(1, 2)), Verdict.MISLED),
        (lambda: seen(shown_alike=False), Verdict.MISLED),
        (lambda: seen(others_see_it=True), Verdict.MISLED),
    ],
)
def test_judge_finds_each_harm(lie: Callable[[], Seen], verdict: Verdict) -> None:
    """What is lost, doubled, different, or told to a reader otherwise than it is."""
    assert verdict in {finding.verdict for finding in judge(lie(), RIGHT)}


def test_fault_is_counted_once_its_jobs_are_judged(tmp_path: Path) -> None:
    """With those that ran through it, and no others; counting goes on from what is in the file."""
    path, wish = tmp_path / "counts.json", first_wishes()[0]
    for faults in (1, 2):
        books = Books(Counts(path))
        early = books.begin(wish)
        books.end(early, judge(seen(), RIGHT))
        books.fault(fault := Fault("wind"))
        life = books.begin(wish)
        books.over(fault)
        late = books.begin(wish)
        assert Counts(path).faults.get("wind", {}).get("faults", 0) == faults - 1
        books.end(late, judge(seen(), RIGHT))
        books.end(life, judge(seen(status="failed"), RIGHT))
        books.settle()
        of = Counts(path).faults["wind"]
        assert (
            of["faults"],
            of["jobs"],
            of["lost"],
            of["harmed"],
            of["succeeded"],
        ) == (
            faults,
            faults,
            faults,
            faults,
            0,
        )


def test_kind_that_has_struck_seldom_comes_more_often(tmp_path: Path) -> None:
    """By as many as it falls short; one with enough still comes."""
    counts = Counts(tmp_path / "counts.json")
    counts.faults = {
        KINDS[0].name: Counter(faults=ENOUGH - 3),
        KINDS[1].name: Counter(faults=9 * ENOUGH),
    }
    assert list(shortfalls(counts).values())[:3] == [3, 1, ENOUGH]


def test_bound_is_the_rule_of_three() -> None:
    """Where no fault did harm; more where some did."""
    assert bound(3000, 0) == pytest.approx(3 / 3000, rel=0.01)
    assert bound(3000, 1) > 4.5 / 3000
    assert bound(0, 0) == 1


def test_page_tells_what_was_counted() -> None:
    """The table of docs/internals/storm.md is what the command wrote."""
    assert f"{BEGIN}\n{table(Counts(COUNTS))}{END}" in PAGE.read_text()


def test_wishes_differ() -> None:
    """Each is another job, and asks for the same whenever it is made; but for a training, whose name is free."""

    def called() -> list[tuple[str, int, str]]:
        drawn = [wish for wish in first_wishes() if wish.kind != TRAINING]
        return [
            (wish.kind, wish.seed, repr(replace(wish.request(), headers={})))
            for wish in drawn
        ]

    calls = called()
    assert calls == called()
    assert len({call for _, _, call in calls}) == len(calls)
