"""Drawing in several threads beside drawing in one, for served models: interleaved, round
by round, on an idle machine.

    python benchmarks/threads.py                                    the models of docs/internals/performance.md
    python benchmarks/threads.py --threads 4 --case characters 128  one model, 128 images at once
    python benchmarks/threads.py --loads                            waiting for the slowest thread

For each model, of the best round of each kind:

    speed-up  by the clock: what counts, if the machine has nothing else to do
    limit     by the processor: of one thread over the busiest of several. It leaves out the
              waiting of threads for each other, and holds also on a busy machine, as far as
              others do not empty its caches
    held us   time of a step in which the interpreter's lock is held: in one thread alone, and
              for each further one
    T = 8     what Amdahl's law makes of these, for as many images in 8 and 16 threads.
              Computed, not measured: memory's bandwidth, shared caches, two threads of one
              core, slower clocks, and waiting for the slowest are left out

--loads counts images, and measures no time: it holds on a busy machine. Images come a
few before each of a thousand steps, as slots are free, so that they begin and end at any
time, as in a worker. A step takes as
long as its fullest thread needs; `busy` is the part of that for which a thread has images,
on average over threads and steps, so that of the computed speed-ups so much is left.
"""

import argparse
import threading
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from sections import machine

from model_core import load_model
from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.sampling.compiled.stage import CompiledStage, StepWork
from model_core.sampling.compiled.threaded import ThreadedStage
from model_core.sampling.compiled.threads import used_by_threads
from model_core.sampling.model_engine import Engine
from model_core.sampling.noise import image_noise
from model_core.sampling.stage import Drawing
from model_core.sampling.stages import compiled_stage

CASES = [
    ("cifar10-row-lstm-wider", 1),
    ("cifar10-row-lstm-wider", 16),
    ("cifar10-small-pixelcnn", 1),
    ("cifar10-small-pixelcnn", 16),
    ("cifar10-small-pixelcnn", 64),
    ("mnist-diagonal-bilstm", 1),
    ("mnist-diagonal-bilstm", 32),
    ("mnist-diagonal-bilstm", 128),
    ("mnist-row-lstm", 1),
    ("mnist-row-lstm", 32),
    ("mnist-row-lstm", 128),
    ("characters", 128),
]
COMPUTED_FOR = (8, 16)
Stage = CompiledStage | ThreadedStage


COMPUTE = CompiledStage.compute

_compiled_s: dict[int, float] = {}
"""Processor's time in compiled code, by thread."""


def counted(self: CompiledStage, work: StepWork) -> int:
    """Do what `compute` does, and count its time."""
    began = time.thread_time()
    result = COMPUTE(self, work)
    own = threading.get_ident()
    _compiled_s[own] = _compiled_s.get(own, 0.0) + time.thread_time() - began
    return result


@dataclass
class Round:
    """Seconds of one drawing of the batch."""

    wall: float
    busiest: float
    """Of a processor, in the thread that used most of it."""
    held: float
    """Of a processor, in the thread that asks, outside compiled code."""
    steps: int


@dataclass
class Rounds:
    rounds: list[Round] = field(default_factory=list)

    def least(self, name: str) -> float:
        return min(getattr(each, name) for each in self.rounds)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument(
        "--case", nargs=2, action="append", metavar=("MODEL", "IMAGES"), default=[]
    )
    parser.add_argument("--loads", action="store_true")
    given = parser.parse_args()
    cases = [(name, int(count)) for name, count in given.case] or CASES
    print(f"{machine()}; {given.threads} threads, best of {given.rounds} rounds")
    if given.loads:
        print_loads(cases)
        return
    names = [f"T = {count}" for count in COMPUTED_FOR]
    print(
        "model, images: speed-up, limit, held us (one, each further), "
        + ", ".join(names)
    )
    for name, count in cases:
        print(line(load_model(name), count, given.threads, given.rounds), flush=True)


def line(model: Model, count: int, threads: int, rounds: int) -> str:
    """Measure a model's first member with so many images."""
    network = model.members[0].network
    assert isinstance(network, PixelNetwork)
    drawings = [drawing(model, i) for i in range(count)]
    stages: list[Stage] = [
        CompiledStage(network, count),
        compiled_stage(network, max(count, threads), threads),
    ]
    found = [Rounds() for _ in stages]
    with torch.inference_mode():
        for number in range(rounds + 1):
            for stage, seen in zip(stages, found, strict=True):
                measured = drawn(stage, drawings)
                if number:  # the first warms up
                    seen.rounds.append(measured)
        call_s = empty_call(network, drawings[0])
    one, several = found
    steps = one.rounds[0].steps
    held = one.least("held") / steps
    speedups = [
        amdahl(one.least("busiest") / steps, held, call_s, min(many, count))
        for many in COMPUTED_FOR
    ]
    return (
        f"{model.card.name}, {count}: {one.least('wall') / several.least('wall'):.2f}, "
        f"{one.least('busiest') / several.least('busiest'):.2f}, "
        f"{1e6 * held:.0f}, {1e6 * call_s:.0f}, "
        + ", ".join(f"{speedup:.1f}" for speedup in speedups)
    )


LOADS_FOR = (2, 8, 16)
LOAD_STEPS = 1000


def print_loads(cases: list[tuple[str, int]]) -> None:
    print("model, images: busy, with " + ", ".join(f"T = {n}" for n in LOADS_FOR))
    for name, count in cases:
        model = load_model(name)
        found = [busy_part(model, count, min(n, count)) for n in LOADS_FOR]
        print(f"{name}, {count}: " + ", ".join(f"{part:.2f}" for part in found))


def busy_part(model: Model, count: int, threads: int) -> float:
    """Return the mean over threads of their images, over those of the fullest one, in
    steps of an engine that draws so many images of a queue at once."""
    if threads == 1:
        return 1.0
    engine = Engine(model, count, threads=threads)
    stage = engine._engines[0]._parts[0]
    assert isinstance(stage, ThreadedStage)
    drawn, fullest, sample = 0, 0, 0
    for _ in range(LOAD_STEPS):
        # So few at a time that they do not end together either.
        for _ in range(min(engine.free, -(-count // model.config.height))):
            engine.admit(ImageRequest(1, sample))
            sample += 1
        drawn += stage.busy
        fullest += threads * stage.fullest
        engine.step()
    return drawn / fullest


def drawing(model: Model, i: int) -> Drawing:
    config = model.config
    noise = image_noise(1, i, config.height, config.width, config.channels)
    label = 0 if config.labels else None
    return Drawing(torch.from_numpy(noise), 1.0, label=label)


def drawn(stage: Stage, drawings: list[Drawing]) -> Round:
    """Draw all images, with the times of that."""
    for slot, each in enumerate(drawings):
        stage.open(slot, each)
    CompiledStage.compute = counted
    _compiled_s.clear()
    others = dict(used_by_threads())
    left, steps = len(drawings), 0
    wall, own = time.perf_counter(), time.thread_time()
    while left:
        left -= sum(row.is_last for row in stage.step())
        steps += 1
    wall, own = time.perf_counter() - wall, time.thread_time() - own
    CompiledStage.compute = COMPUTE
    further = [used - others.get(who, 0.0) for who, used in used_by_threads()]
    compiled = _compiled_s.get(threading.get_ident(), 0.0)
    return Round(wall, max([own, *further]), own - compiled, steps)


def empty_call(network: PixelNetwork, its: Drawing) -> float:
    """Seconds of a call of compiled code that has nothing to draw."""
    stage: Any = CompiledStage(network, 1)
    stage.open(0, its)
    stage.hold(0, 0, 0)
    work, seconds = stage.begin_step(), []
    for _ in range(1000):
        began = time.perf_counter()
        stage.compute(work)
        seconds.append(time.perf_counter() - began)
    return min(seconds)


def amdahl(step_s: float, held_s: float, call_s: float, threads: int) -> float:
    """The speed-up of so many threads, of which each draws its part of a step at the same
    time, but one after the other holds the lock."""
    divided = step_s - held_s - call_s
    return step_s / (held_s + threads * call_s + divided / threads)


if __name__ == "__main__":
    main()
