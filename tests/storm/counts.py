"""What the storm did and what became of the jobs, fault by fault: kept in a file, and shown as a table."""

import json
import math
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.storm.judge import HARMS, Finding, Verdict
from tests.storm.wishes import TRAINING, Wish

COUNTS = Path(__file__).with_name("counts.json")
PAGE = Path(__file__).parents[2] / "docs" / "internals" / "storm.md"
BEGIN, END = "<!-- written by `python -m tests.storm` -->", "<!-- end -->"
CONFIDENCE = 0.95


class Counts:
    """Of all storms so far. `faults`: by kind, how many, how many jobs ran through one, what became of those, and
    `harmed`: how many faults through which a job ran that came to harm. `jobs`: by kind of job, what became of them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        found: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        self.hours: float = found.get("hours", 0.0)
        self.unexpected_exits: int = found.get("unexpected_exits", 0)
        self.readers = Counter(found.get("readers", {}))
        self.faults = {
            kind: Counter(of) for kind, of in found.get("faults", {}).items()
        }
        self.jobs = {kind: Counter(of) for kind, of in found.get("jobs", {}).items()}

    def save(self) -> None:
        """All or nothing, whenever this process dies."""
        said = {
            name: value
            for name, value in vars(self).items()
            if not name.startswith("_")
        }
        draft = self._path.with_suffix(".new")
        draft.write_text(
            json.dumps(said | {"hours": round(self.hours, 4)}, indent=1, sort_keys=True)
            + "\n"
        )
        draft.replace(self._path)

    def total(self, verdict: str) -> int:
        """Jobs that came to this."""
        return sum(of[verdict] for of in self.jobs.values())


@dataclass
class Fault:
    kind: str
    forgets: bool = False
    """Redis comes back without any job."""
    turns_back: bool = False
    """Redis comes back as it was when the fault began."""
    began: float = field(default_factory=time.monotonic)
    over: float = math.inf
    jobs: Counter[str] = field(default_factory=Counter)
    """What became of the jobs that ran through it."""


@dataclass(frozen=True, eq=False)
class Life:
    """Of a job, from its request on."""

    wish: Wish
    began: float = field(default_factory=time.monotonic)


class Books:
    """Which job ran through which fault. A fault is counted once all its jobs are judged."""

    def __init__(self, counts: Counts) -> None:
        self.counts = counts
        self.under_way: set[Life] = set()
        self.forgot_at = 0.0
        """When Redis came back last without what it had, or with an older state."""
        self._faults: list[Fault] = []
        self._saved = time.monotonic()

    def open(self) -> None:
        """From now on time counts."""
        self._saved = time.monotonic()

    def fault(self, fault: Fault) -> None:
        """It begins."""
        self._faults.append(fault)

    def over(self, fault: Fault) -> None:
        fault.over = time.monotonic()
        if fault.forgets or fault.turns_back:
            self.forgot_at = fault.over
        self.settle()

    def drop(self, fault: Fault) -> None:
        """It did not come to pass."""
        self._faults.remove(fault)

    def begin(self, wish: Wish) -> Life:
        life = Life(wish)
        self.under_way.add(life)
        return life

    def during(self, life: Life) -> list[Fault]:
        """Those that the job has seen so far."""
        return [fault for fault in self._faults if fault.over > life.began]

    def is_under_way(self, kind: str) -> bool:
        return any(life.wish.kind == kind for life in self.under_way)

    def oldest_s(self) -> float:
        """For how long the oldest job is under way; a training goes on after whatever happens, and takes its time."""
        drawn = [life.began for life in self.under_way if life.wish.kind != TRAINING]
        return time.monotonic() - min(drawn, default=math.inf)

    def end(self, life: Life, findings: Iterable[Finding]) -> None:
        """The job is judged."""
        verdicts = {finding.verdict for finding in findings}
        for fault in self.during(life):
            others = (
                set() if fault.forgets or fault.turns_back else {Verdict.TOLD_LOST}
            )  # are not the cause of that
            fault.jobs.update(["jobs", *(verdicts - others)])
        self.counts.jobs.setdefault(life.wish.kind, Counter()).update(
            ["jobs", *verdicts]
        )
        self.under_way.discard(life)

    def forget(self, life: Life) -> None:
        """It was none, or is of no interest."""
        self.under_way.discard(life)

    def settle(self) -> None:
        """Count the faults all of whose jobs are judged, and save the counts."""
        oldest = min((life.began for life in self.under_way), default=math.inf)
        for fault in [
            fault
            for fault in self._faults
            if fault.over < oldest and fault.over < math.inf
        ]:
            self._faults.remove(fault)
            harmed = any(fault.jobs[harm] for harm in HARMS)
            of_kind = self.counts.faults.setdefault(fault.kind, Counter())
            of_kind.update(fault.jobs + Counter(faults=1, harmed=int(harmed)))
        now = time.monotonic()
        self.counts.hours += (now - self._saved) / 3600
        self._saved = now
        self.counts.save()


def bound(faults: int, harmed: int) -> float:
    """The probability that such a fault does harm is less than this, with CONFIDENCE (Clopper and Pearson); where none
    did, about 3 / faults."""
    low, high = 0.0, 1.0
    while faults and high - low > high / 1000:
        middle = (low + high) / 2
        low, high = (
            (middle, high)
            if _at_most(harmed, faults, middle) > 1 - CONFIDENCE
            else (low, middle)
        )
    return high


def _at_most(harmed: int, faults: int, probability: float) -> float:
    """The probability of so few harmed."""
    ways = [
        math.lgamma(faults + 1) - math.lgamma(i + 1) - math.lgamma(faults - i + 1)
        for i in range(harmed + 1)
    ]
    odds = math.log(probability), math.log1p(-probability)
    return sum(
        math.exp(way + i * odds[0] + (faults - i) * odds[1])
        for i, way in enumerate(ways)
    )


def table(counts: Counts) -> str:
    """By fault, the total, and a line on what else was counted."""
    head = [
        "fault",
        "faults",
        "jobs through it",
        "told lost",
        "harmed",
        "harm per fault is below",
    ]
    lines = [_line(head), _line(["---"] * len(head))]
    total: Counter[str] = Counter()
    for kind, of in sorted(counts.faults.items()):
        total.update(of)
        lines.append(_line([kind, *_numbers(of), _percent(of)]))
    jobs = counts.total("jobs")
    harmed = sum(counts.total(harm) for harm in HARMS)
    of_all = [total["faults"], jobs, counts.total(Verdict.TOLD_LOST), harmed]
    lines.append(
        _line(
            [
                "**all**",
                *(f"**{number:,}**" for number in of_all),
                f"**{_percent(total)}**",
            ]
        )
    )
    kinds = ", ".join(
        f"{of['jobs']:,} {kind}" for kind, of in sorted(counts.jobs.items())
    )
    ends = f"{counts.total(Verdict.SUCCEEDED):,} succeeded and {counts.total(Verdict.CANCELED):,} were canceled"
    told = " and ".join(
        f"{number:,} {what}"
        for what, number in sorted(counts.readers.items(), reverse=True)
    )
    note = (
        f"In {counts.hours:.1f} hours. Jobs by kind: {kinds}; {ends}. {told}. Processes that ended though nobody had "
        f"touched them: {counts.unexpected_exits}."
    )
    return "\n".join([*lines, "", note, ""])


def write_page(counts: Counts) -> None:
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{table(counts)}{END}{rest.partition(END)[2]}")


def _numbers(of: Counter[str]) -> list[str]:
    numbers = (
        of["faults"],
        of["jobs"],
        of[Verdict.TOLD_LOST],
        sum(of[harm] for harm in HARMS),
    )
    return [f"{number:,}" for number in numbers]


def _percent(of: Counter[str]) -> str:
    return f"{100 * bound(of['faults'], of['harmed']):.2g}%"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
