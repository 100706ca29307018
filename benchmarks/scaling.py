"""How many workers? A day of simulated load, scaled by open work and by the length of the queue. No service runs.

    python benchmarks/scaling.py             a minute; writes docs/img/scaling.svg
    python benchmarks/scaling.py --quick     days of two hours, nothing written

A day of jobs comes as a Poisson process, with twenty times as many for ten minutes at its middle, and 10,000 jobs of
one owner at three quarters. Workers are those of this project, in a simplified form: they take jobs in the order of
the turns of their owners, hold up to 32, and divide their time equally among these. The autoscaler is that of
Kubernetes with its usual limits, and the cooldown of deploy/k8s/components/keda.
"""

import argparse
import heapq
import math
import random
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from chart import Panel, svg
from mix import MEAN_IMAGES, SIZES
from sections import number, table

PLOT = Path("docs/img/scaling.svg")
IMAGES_PER_S = 4.8  # of one worker: the second model of docs/sizing.md
ROWS = 32
HELD = 32  # jobs; PIXELRNN_MAX_JOBS
LARGEST_INTERACTIVE = 4  # images
BULK_TURN = 4

SYNC_S = 15  # seconds between two decisions of Kubernetes
START_S = 30  # from the decision to a worker that draws
COOLDOWN_S = 120  # stabilizationWindowSeconds of the manifest
TOLERANCE = 0.1  # Kubernetes leaves smaller differences alone
MOST = 100  # workers

LOAD_WORKERS = 5.0  # that the usual load keeps busy
BURST, BURST_S = 20, 600
OWNER_JOBS = 10_000
LARGE_IMAGES = 256
"""The work of a large job: 16 pictures of four times the width and height."""
LARGE = 0.0, 0.005, 0.05
"""Shares of large jobs, of a day each, with the same work a day."""
USUAL_LARGE = LARGE[1]
LENGTHS = 4, 8, 16, 32
"""Waiting jobs for each worker, as KEDA's `listLength`."""
WORK_S = 10, 20, 40, 80
"""Open work for each worker, in seconds of its drawing."""


@dataclass
class Job:
    at: float
    left: float  # images
    turn: int
    of_owner: bool = False
    """One of the 10,000."""
    first_row_s: float | None = None
    """Seconds from its arrival to its first row."""
    last_row_s: float = 0.0


@dataclass
class Worker:
    """Draws its jobs side by side. `given` is the number of images that each job has had since the worker started."""

    ready_at: float
    given: float = 0.0
    at: float = 0.0
    ends: list[tuple[float, int, Job]] = field(default_factory=list)
    """Heap: the value of `given` at which each job ends."""
    looks: int = 0
    """Events in the future that count: only the last."""

    def advance(self, now: float) -> None:
        if self.ends:
            self.given += (now - self.at) * IMAGES_PER_S / len(self.ends)
        self.at = now

    @property
    def next_end(self) -> float:
        seconds = (self.ends[0][0] - self.given) * len(self.ends) / IMAGES_PER_S
        return self.at + max(0.0, seconds)

    @property
    def left(self) -> float:
        return sum(end - self.given for end, _, _ in self.ends)


@dataclass(frozen=True)
class Policy:
    """Jobs, or seconds of work, for each worker."""

    by_work: bool
    target: float

    @property
    def name(self) -> str:
        return f"{self.target} {'s of work' if self.by_work else 'jobs'}"

    def wanted(self, waiting: list[tuple[int, int, Job]], fleet: list[Worker]) -> float:
        """The number of workers that KEDA asks for, not rounded."""
        if self.by_work:
            images = sum(job.left for _, _, job in waiting)
            images += sum(worker.left for worker in fleet)
            return images / IMAGES_PER_S / self.target
        held = sum(len(worker.ends) for worker in fleet)
        return max(len(waiting), held) / self.target  # two triggers


COMPARED = Policy(False, 16), Policy(True, 40)
"""On each of the days."""
HEAD = (
    "large jobs",
    "for each worker",
    *(f"{row} row p{share} s" for row in ("first", "last") for share in (50, 95, 99)),
    "worker-hours",
)


class Day:
    """One simulated day."""

    def __init__(self, policy: Policy, large: float, seed: int, day_s: float) -> None:
        self._policy = policy
        self._arrivals = arrivals(large, seed, day_s)
        self._chance = random.Random(seed)
        self._waiting: list[tuple[int, int, Job]] = []
        self._fleet = [Worker(ready_at=0.0)]
        self._events: list[tuple[float, int, Worker, int]] = []
        self._number = 0
        self._turn = 0
        self._owner_turn = 0
        self._wanted: deque[tuple[float, int]] = deque()
        self.jobs: list[Job] = []
        self.worker_s = 0.0

    def run(self) -> None:
        """Until the last job has ended and one worker is left."""
        arrival = next(self._arrivals, None)
        sync_at = 0.0
        while arrival or self._waiting or len(self._fleet) > 1 or self._fleet[0].ends:
            event_at = self._events[0][0] if self._events else math.inf
            arrival_at = arrival.at if arrival else math.inf
            now = min(event_at, arrival_at, sync_at)
            if now == sync_at:
                self._scale(now)
                sync_at += SYNC_S
            elif arrival and now == arrival_at:
                self._submit(arrival)
                arrival = next(self._arrivals, None)
            else:
                _, _, worker, look = heapq.heappop(self._events)
                if look == worker.looks:
                    self._end_jobs(worker, now)
            self._take(now)

    def _submit(self, job: Job) -> None:
        """Put it behind the owner's last job, or behind the latest turn that was taken."""
        step = 1 if job.left <= LARGEST_INTERACTIVE else BULK_TURN
        if job.of_owner:
            self._owner_turn = max(self._turn, self._owner_turn) + step
            job.turn = self._owner_turn
        else:
            job.turn = self._turn + step
        self.jobs.append(job)
        self._queue(job)

    def _queue(self, job: Job) -> None:
        self._number += 1
        heapq.heappush(self._waiting, (job.turn, self._number, job))

    def _take(self, now: float) -> None:
        """Give waiting jobs to workers with room, any of them."""
        if not self._waiting:
            return
        open_ = [w for w in self._fleet if w.ready_at <= now and len(w.ends) < HELD]
        while self._waiting and open_:
            turn, number, job = heapq.heappop(self._waiting)
            self._turn = max(self._turn, turn)
            worker = self._chance.choice(open_)
            worker.advance(now)
            heapq.heappush(worker.ends, (worker.given + job.left, number, job))
            if job.first_row_s is None:
                row_s = len(worker.ends) / IMAGES_PER_S / ROWS
                job.first_row_s = now - job.at + row_s
            self._look_again(worker)
            if len(worker.ends) == HELD:
                open_.remove(worker)

    def _end_jobs(self, worker: Worker, now: float) -> None:
        worker.advance(now)
        while worker.ends and worker.ends[0][0] <= worker.given + 1e-9:
            job = heapq.heappop(worker.ends)[2]
            job.last_row_s = now - job.at
        self._look_again(worker)

    def _look_again(self, worker: Worker) -> None:
        worker.looks += 1
        if worker.ends:
            self._number += 1
            event = worker.next_end, self._number, worker, worker.looks
            heapq.heappush(self._events, event)

    def _scale(self, now: float) -> None:
        """What Kubernetes does every SYNC_S seconds."""
        self.worker_s += SYNC_S * len(self._fleet)
        for worker in self._fleet:
            worker.advance(now)
        count = len(self._fleet)
        exact = self._policy.wanted(self._waiting, self._fleet)
        is_near = abs(exact / count - 1) <= TOLERANCE
        wanted = count if is_near else min(max(1, math.ceil(exact)), MOST)

        # It shrinks to the largest number of the last seconds only, and grows by at
        # most four workers, or to twice as many.
        self._wanted.append((now, wanted))
        while self._wanted[0][0] < now - COOLDOWN_S:
            self._wanted.popleft()
        if wanted > count:
            for _ in range(min(wanted - count, max(4, count))):
                self._fleet.append(Worker(ready_at=now + START_S, at=now))
        largest = max(number for _, number in self._wanted)
        for _ in range(count - largest):
            self._stop(self._fleet.pop())

    def _stop(self, worker: Worker) -> None:
        """Its jobs go on elsewhere, from their last row."""
        worker.looks += 1
        for end, _, job in worker.ends:
            job.left = end - worker.given
            self._queue(job)


def arrivals(large: float, seed: int, day_s: float) -> Iterator[Job]:
    """The jobs of the day, in order. large: share of jobs that are large."""
    chance = random.Random(seed)
    mean = large * LARGE_IMAGES + (1 - large) * MEAN_IMAGES
    usual = LOAD_WORKERS * IMAGES_PER_S / mean
    burst_at, owner_at = 0.5 * day_s, 0.75 * day_s
    at, owner_is_due = 0.0, True
    while True:
        in_burst = burst_at <= at < burst_at + BURST_S
        at += chance.expovariate(usual * (BURST if in_burst else 1))
        if at > day_s:
            return
        if owner_is_due and at > owner_at:
            owner_is_due = False
            for _ in range(OWNER_JOBS):
                yield Job(owner_at, 1, 0, of_owner=True)
        is_large = chance.random() < large
        yield Job(at, LARGE_IMAGES if is_large else chance.choice(SIZES), 0)


@dataclass(frozen=True)
class Result:
    """Seconds to rows of all jobs but the one owner's: 50, 95 and 99 of 100 are faster."""

    first: tuple[float, ...]
    last: tuple[float, ...]
    worker_hours: float

    @property
    def cells(self) -> list[str]:
        seconds = [number(value) for value in (*self.first, *self.last)]
        return [*seconds, f"{self.worker_hours:.0f}"]


def simulate(policy: Policy, large: float, seed: int, day_s: float) -> Result:
    day = Day(policy, large, seed, day_s)
    day.run()
    jobs = [job for job in day.jobs if not job.of_owner]
    first, last = (
        tuple(np.percentile(seconds, (50, 95, 99)).tolist())
        for seconds in (
            [job.first_row_s or 0.0 for job in jobs],
            [job.last_row_s for job in jobs],
        )
    )
    return Result(first, last, day.worker_s / 3600)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="see that it works")
    options = parser.parse_args()
    day_s = 2 * 3600.0 if options.quick else 24 * 3600.0
    by_length = [Policy(False, length) for length in LENGTHS]
    by_work = [Policy(True, seconds) for seconds in WORK_S]

    rows = []
    first: dict[str, list[tuple[float, float]]] = {}
    last: dict[str, list[tuple[float, float]]] = {}
    for large in LARGE:
        is_usual = large == USUAL_LARGE
        for policy in (*by_length, *by_work) if is_usual else COMPARED:
            found = simulate(policy, large, options.seed, day_s)
            rows.append([f"{large:.1%}", policy.name, *found.cells])
            if is_usual:
                line = "by work" if policy.by_work else "by jobs"
                hours = round(found.worker_hours)
                first.setdefault(line, []).append((hours, found.first[2]))
                last.setdefault(line, []).append((hours, found.last[2]))
    print("\n".join(table(HEAD, rows)))
    if not options.quick:
        panels = [
            Panel("first row, p99 in s", "worker-hours a day", first),
            Panel("last row, p99 in s", "worker-hours a day", last),
        ]
        PLOT.write_text(svg(panels), encoding="utf-8")


if __name__ == "__main__":
    main()
