"""The time of drawing, part by part, in the plain torch stage and in compiled code: writes its section of
docs/internals/performance.md.

    python benchmarks/step_profile.py                                  the presets and batches of the page
    python benchmarks/step_profile.py --preset cifar10-pixelcnn --batch 16 --dry-run

The compiled loop is that of model_core/compiled/loop.py, with the processor's cycle counter read between the parts. The
plain stage draws a few rows under torch's profiler; what no operation accounts for is Python and the dispatch of
operations.
"""
# pyright: reportCallIssue=false, reportArgumentType=false
# numba passes an intrinsic's first parameter itself

import argparse
import time
from typing import Any, cast

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from page import machine, table, write_section
from torch.profiler import ProfilerActivity, profile

from model_core import untrained
from model_core.compiled.loop import PARTS, draw_rows
from model_core.kinds import part
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.noise import image_noise
from model_core.sampling.plain.stage import PlainStage
from model_core.sampling.stage import Drawing, Stage

CELLS = (("cifar10-pixelcnn", 16), ("cifar10-pixelcnn", 1), ("cifar10-row-lstm", 16), ("cifar10-diagonal-bilstm", 1))
PLAIN_ROWS = 3
"""Rows of each image that the plain stage draws under the profiler."""

SHOWN_OPERATIONS = 6


@intrinsic
def cycles(_typing):  # type: ignore[no-untyped-def]
    """The processor's cycle counter."""

    def emit(_context: Any, b: Any, _signature: Any, _arguments: Any) -> ir.Value:
        counter = b.module.declare_intrinsic("llvm.readcyclecounter", (), ir.FunctionType(ir.IntType(64), ()))
        return b.call(counter, ())

    return types.int64(), emit


@njit(inline="always")
def lap(part, clock):
    """Book the cycles since the last part to this one; clock (parts + 1,): of each part, and when the last ended."""
    now = cycles()
    clock[part] += now - clock[-1]
    clock[-1] = now


def timed_advance(code: Any) -> Any:
    """The loop of a kind's module in model_core/compiled, with a look at the clock after each part."""
    ahead, before, layer, end_rows, streams = code.ahead, code.before, code.layer, code.end_rows, code.STREAMS

    @njit(nogil=True, _nrt=False)
    def advance(clock, slots, front, shared, state, places, layers):
        clock[-1] = cycles()
        return draw_rows(
            ahead, before, layer, end_rows, streams, lap, clock, slots, front, shared, state, places, layers
        )

    return advance


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", help="one preset instead of those of the page")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3, help="images drawn one after the other in each slot")
    parser.add_argument("--dry-run", action="store_true", help="print, and leave the page alone")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cells = ((arguments.preset, arguments.batch),) if arguments.preset else CELLS
    lines = ["", f"Measured on {machine()}, one thread.", ""]
    for preset, batch in cells:
        lines += described(preset, batch, arguments.rounds)
    print("\n".join(lines))
    if not arguments.dry_run:
        write_section("profile", lines)


def described(preset: str, batch: int, rounds: int) -> list[str]:
    """One preset and batch: two tables as lines."""
    model = untrained(preset)
    with torch.inference_mode():
        seconds, spent = compiled_parts(model, batch, rounds)
        plain_s, operations = plain_operations(model, batch)
    variables = batch * model.config.height * model.config.width
    parts = zip(PARTS, spent, strict=True)
    compiled = [[name, share(ticks, spent.sum())] for name, ticks in parts if ticks > spent.sum() / 1000]
    accounted = sum(each for _, each in operations)
    plain = [[f"`{name}`", share(each, plain_s)] for name, each in operations[:SHOWN_OPERATIONS]]
    plain.append(["other operations", share(sum(each for _, each in operations[SHOWN_OPERATIONS:]), plain_s)])
    plain.append(["Python and dispatch", share(max(0.0, plain_s - accounted), plain_s)])
    plain_pixels = batch * PLAIN_ROWS * model.config.width
    return [
        f"**`{preset}`, {batch} at once.** Plain torch, {1e6 * plain_s / plain_pixels:.0f} µs a pixel:",
        "",
        *table(("operation", "of the time"), plain),
        "",
        f"Compiled, {1e6 * seconds / variables:.0f} µs a pixel:",
        "",
        *table(("part", "of the time"), compiled),
        "",
    ]


def share(part: float, whole: float) -> str:
    return f"{part / whole:.0%}"


def compiled_parts(model: Model, batch: int, rounds: int) -> tuple[float, np.ndarray]:
    """Seconds to draw `batch` images, and cycles by part; the mean of the rounds after the first."""
    network = _plain_network(model)
    stage = CompiledStage(network, batch)
    clock, advance = np.zeros(len(PARTS) + 1, np.int64), timed_advance(part(model.config.kind.compiled).code)
    _, *records = stage.handed([]).values()
    cast(Any, stage)._advance = lambda slots: advance(clock, slots, *records)
    began = 0.0
    for round_ in range(rounds + 1):
        if round_ == 1:  # what came before compiled the loop
            clock[:] = 0
            began = time.perf_counter()
        _fill(stage, model, batch)
        while stage._active:
            stage.step()
    return (time.perf_counter() - began) / rounds, clock[:-1] / rounds


def plain_operations(model: Model, batch: int) -> tuple[float, list[tuple[str, float]]]:
    """Seconds until the first rows of `batch` images are there, and of each operation by itself, longest first."""
    stage = PlainStage(_plain_network(model), batch)
    _fill(stage, model, batch)
    stage.step()
    rows = 0
    with profile(activities=[ProfilerActivity.CPU]) as watched:
        began = time.perf_counter()
        while rows < batch * PLAIN_ROWS:
            rows += len(stage.step())
        seconds = time.perf_counter() - began
    found = [(event.key, event.self_cpu_time_total / 1e6) for event in watched.key_averages()]
    return seconds, sorted(found, key=lambda pair: -pair[1])


def _fill(stage: Stage, model: Model, batch: int) -> None:
    config = model.config
    for slot in range(batch):
        noise = image_noise(0, slot, config.height, config.width, config.channels)
        stage.open(slot, Drawing(torch.from_numpy(noise), 1.0))


def _plain_network(model: Model) -> PixelNetwork:
    assert isinstance(model.network, PixelNetwork), "one stage is profiled: choose a preset that is not Multi-Scale"
    return model.network


if __name__ == "__main__":
    main()
