"""Completions by particles, and scores, in several threads beside one: interleaved, round
by round, on an idle machine.

    python benchmarks/jobs_in_threads.py          the jobs of docs/internals/performance.md
    python benchmarks/jobs_in_threads.py --threads 4 --rounds 30 --model mnist-row-lstm

A completion draws one image into a hole of a digit that the model has drawn itself, with
as many particles as a service may be asked for. A score is /score of 64 pictures, in
turns of as many pictures as there are threads, as a worker's engine takes them.

    speed-up  by the clock, of the best round of each number of threads
    by piece  the same, of sums: for each piece of the job the least time that it took in
              any round. A piece is what happens between two turns of other jobs, a
              millisecond or two; on a busy machine it is disturbed less often than a round
    limit     by the processor: of one thread over the busiest of several. It leaves out the
              waiting of threads for each other
    parts     milliseconds of a processor in the thread that asks, of one thread and of
              several: `drawing` in compiled code, `copies` of particles, `begin` of sweeps
              without what is drawn there, and `rest`
"""

import argparse
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sections import machine

from model_core import load_model, sample
from model_core.models import Model
from model_core.posterior.completion import MAX_PARTICLES, SWEEPS
from model_core.posterior.enumeration import run_of
from model_core.posterior.particles import StageParticles
from model_core.posterior.targets import Target
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.compiled.threads import use_threads, used_by_threads
from worker.contract.jobs import JobSpec
from worker.contract.kinds.score import ScoreOptions
from worker.engine.activities.activity import Surroundings
from worker.engine.activities.passes import SCORING, Passes
from worker.engine.assessment import Pass, make_pass
from worker.engine.deadlines import Deadlines
from worker.engine.process import SWITCH_INTERVAL_S
from worker.engine.usage_reports import UsageReports
from worker.orders.claims import Claim
from worker.orders.pictures import PictureOrder

MODELS = ["mnist-row-lstm", "mnist-diagonal-bilstm", "mnist-pixelcnn"]
HOLES = ["upper half", "centre", "left half", "random half"]
PICTURES = 64
"""Pictures of one job of scores."""
PARTS = {
    "drawing": (CompiledStage, "compute"),
    "copies": (StageParticles, "copy"),
    "begin": (StageParticles, "begin"),
}

Job = Callable[[], Iterator[object]]
"""Begins a job anew; each step of it is a piece."""


@dataclass
class Round:
    """One run of a job."""

    pieces: list[float]
    """Seconds by the clock of each piece."""
    busiest: float
    """Seconds of a processor, in the thread that used most of it."""
    parts: dict[str, float]
    """Those of the thread that asks, by part."""

    @property
    def clock(self) -> float:
        return sum(self.pieces)


@dataclass
class Rounds:
    """All runs of a job with one number of threads."""

    rounds: list[Round] = field(default_factory=list)

    @property
    def clock(self) -> float:
        return min(each.clock for each in self.rounds)

    @property
    def by_piece(self) -> float:
        pieces = zip(*(each.pieces for each in self.rounds), strict=True)
        return sum(min(times) for times in pieces)

    @property
    def busiest(self) -> float:
        return min(each.busiest for each in self.rounds)

    @property
    def parts(self) -> str:
        """The parts of the round in which the processor was used least."""
        least = min(self.rounds, key=lambda each: each.busiest)
        return ", ".join(f"{name} {1e3 * s:.0f}" for name, s in least.parts.items())


class Clocks:
    """The processor's time of the thread that made this, by the part that it is in."""

    def __init__(self) -> None:
        self._thread = threading.get_ident()
        self._spent = dict.fromkeys(PARTS, 0.0)
        self._inner = 0.0
        """Seconds of parts that were called by the part that is open."""
        for name, (cls, method) in PARTS.items():
            setattr(cls, method, self._counted(name, getattr(cls, method)))

    def _counted(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(*arguments: Any) -> Any:
            if threading.get_ident() != self._thread:
                return call(*arguments)
            outside, self._inner = self._inner, 0.0
            began = time.thread_time()
            try:
                return call(*arguments)
            finally:
                took = time.thread_time() - began
                self._spent[name] += took - self._inner
                self._inner = outside + took

        return counted

    def run(self, job: Job, threads: int) -> Round:
        """Run a job with so many threads."""
        use_threads(threads)
        self._spent = dict.fromkeys(PARTS, 0.0)
        others = dict(used_by_threads())
        began, asked = time.perf_counter(), time.thread_time()
        pieces: list[float] = []
        for _ in job():
            pieces.append(time.perf_counter() - began)
            began = time.perf_counter()
        asked = time.thread_time() - asked
        further = [used - others.get(who, 0.0) for who, used in used_by_threads()]
        rest = asked - sum(self._spent.values())
        return Round(pieces, max([asked, *further]), {**self._spent, "rest": rest})


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--model", nargs="+", default=MODELS)
    parser.add_argument("--hole", nargs="*", default=HOLES, choices=HOLES)
    parser.add_argument("--particles", type=int, default=MAX_PARTICLES)
    given = parser.parse_args()
    torch.set_num_threads(1)
    sys.setswitchinterval(SWITCH_INTERVAL_S)  # as in a worker's engine
    print(f"{machine()}; {given.threads} threads, {given.rounds} rounds")
    print("job: speed-up, by piece, limit; ms of one thread; parts of 1; of several")
    clocks = Clocks()
    for name in given.model:
        model = load_model(name)
        jobs = {
            hole: partial(completion, model, hole, given.particles)
            for hole in given.hole
        }
        jobs[f"{PICTURES} scores"] = partial(scores, model)
        for job, begin in jobs.items():
            line = measured(clocks, begin, given.threads, given.rounds)
            print(f"{name}, {job}: {line}", flush=True)


def measured(clocks: Clocks, job: Job, threads: int, rounds: int) -> str:
    """Run a job with one thread and with several, by turns."""
    one, several = Rounds(), Rounds()
    for number in range(rounds + 1):
        for found, count in ((one, 1), (several, threads)):
            seen = clocks.run(job, count)
            if number:  # the first warms up
                found.rounds.append(seen)
    return (
        f"{one.clock / several.clock:.2f}, {one.by_piece / several.by_piece:.2f}, "
        f"{one.busiest / several.busiest:.2f}; {1e3 * one.by_piece:.0f}; "
        f"{one.parts}; {several.parts}"
    )


def completion(model: Model, hole: str, particles: int) -> Iterator[object]:
    """Complete a digit of the model's own."""
    values = sample(model, 1, seed=2016)[0].numpy()
    run = run_of(
        Target.of(model, values, kept(hole, *values.shape[1:]), 1.0),
        1,
        particles,
        SWEEPS,
    )
    yield from run.steps(0)
    yield run.receipt()


def kept(hole: str, height: int, width: int) -> NDArray[np.bool_]:
    """Return keep (H, W), True = given."""
    y, x = np.mgrid[:height, :width]
    random = np.random.default_rng(9)
    return {
        "upper half": y >= height // 2,
        "centre": (abs(2 * y + 1 - height) > 12) | (abs(2 * x + 1 - width) > 12),
        "left half": x >= width // 2,
        "random half": random.random((height, width)) < 0.5,
    }[hole]


class Unheard:
    """Takes what is said of jobs (activities.activity.JobOutlet), and keeps nothing."""

    def publish(self, rows: object) -> None: ...
    def progress(self, token: str, share: float, estimate: str = "") -> None: ...
    def end(self, token: str, outcome: object) -> None: ...
    def exhausted(self, token: str) -> None: ...
    def card_failed(self, reason: str) -> None: ...


def scores(model: Model) -> Iterator[object]:
    """Score pictures in turns."""
    outlet = Unheard()
    around = Surroundings(
        outlet,
        Deadlines(),
        UsageReports([model.card.name], lambda usage, seconds: None),
        lambda: None,
        [model.card.name],
    )

    def score(task: Pass) -> Any:
        return make_pass(task, model)

    passes = Passes(around, score)
    for number in range(PICTURES):
        passes.accept(picture(model, number))
    while passes.busy():
        passes.turn(SCORING)
        yield


def picture(model: Model, number: int) -> PictureOrder:
    """Return the order of a score."""
    config = model.config
    shape = config.channels, config.height, config.width
    spec = JobSpec(
        id=f"job-{number}",
        kind="score",
        model=model.card.name,
        digest=model.card.sha256,
        seed=0,
        n=1,
        temperature=1,
        height=config.height,
        width=config.width,
        channels=config.channels,
        options=ScoreOptions(),
    )
    pixels = 255 * np.random.default_rng(number).integers(0, 2, shape, np.uint8)
    return PictureOrder(
        Claim(spec.id, str(number), last_seq=0), model.card.name, spec, pixels
    )


if __name__ == "__main__":
    main()
