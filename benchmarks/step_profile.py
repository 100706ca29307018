"""Where the time of drawing goes, part by part, in the plain torch stage and in compiled code: writes its section of
docs/performance.md.

    python benchmarks/step_profile.py                                  the presets and batches of the page
    python benchmarks/step_profile.py --preset cifar10-pixelcnn --batch 16 --dry-run

The compiled loops are those of model_core/compiled with the processor's cycle counter read between the parts. The plain
stage draws a few rows under torch's profiler; what no operation accounts for is Python and the dispatch of operations.
"""
# pyright: reportCallIssue=false, reportArgumentType=false
# numba passes an intrinsic's first parameter itself

import argparse
import time
from typing import Any

import numpy as np
import torch
from llvmlite import ir
from numba import njit, types
from numba.extending import intrinsic
from page import machine, table, write_section
from torch.profiler import ProfilerActivity, profile

from model_core import untrained
from model_core.compiled import diagonal_bilstm, pixel_cnn, row_lstm
from model_core.compiled.frontier import move_on
from model_core.compiled.loop import begin_above, begin_step, end_colour, input_from_own, to_skips
from model_core.compiled.products import spot
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.noise import image_noise
from model_core.sampling.plain.stage import Stage
from model_core.sampling.stage import Drawing

CELLS = (("cifar10-pixelcnn", 16), ("cifar10-pixelcnn", 1), ("cifar10-row-lstm", 16), ("cifar10-diagonal-bilstm", 1))
PARTS = (
    "work list, 7 x 7 convolution",
    "layers: pixels before, all colours at once",
    "layers: the pixel itself, colour by colour",
    "skip sums",
    "head, drawing a value",
    "right-to-left scans of finished rows",
)
BEGIN, BEFORE, OWN, SKIPS, HEAD, SCANS = range(len(PARTS))
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
def lap(since, part, spent):  # type: ignore[no-untyped-def]
    """Book the cycles since then; returns now."""
    now = cycles()
    spent[part] += now - since
    return now


@njit(_nrt=False)
def pixel_cnn_before(real, count, work, shared, state, places, own):  # type: ignore[no-untyped-def]
    for i in range(shared.layers):
        pixel_cnn._from_before(i, count, real <= own.few, shared, state, places, own)


@njit(_nrt=False)
def pixel_cnn_own(i, colour, count, shared, state, places, own):  # type: ignore[no-untyped-def]
    pixel_cnn._down(i, colour, count, shared, state, places, own)
    pixel_cnn._spread(i, colour, count, shared, state, places, own)
    return spot(own.out, i, places.order, 0, 0)


@njit(_nrt=False)
def row_lstm_before(real, count, work, shared, state, places, own):  # type: ignore[no-untyped-def]
    for i in range(shared.layers):
        row_lstm._from_before(i, count, real <= own.few, shared, state, places, own)


@njit(_nrt=False)
def row_lstm_own(i, colour, count, shared, state, places, own):  # type: ignore[no-untyped-def]
    row_lstm._cells(i, colour, count, shared, state, places, own)
    return spot(own.hidden, i, places.own, 0, 0)


@njit(_nrt=False)
def diagonal_before(real, count, work, shared, state, places, own):  # type: ignore[no-untyped-def]
    diagonal_bilstm._begin_rows(real, work, shared, state, own)
    diagonal_bilstm._find_right(count, work, shared, own)


@njit(_nrt=False)
def diagonal_own(i, colour, count, shared, state, places, own):  # type: ignore[no-untyped-def]
    diagonal_bilstm._gates(i, colour, count, shared, state, places, own)
    diagonal_bilstm._left(i, colour, 0, count, shared, places, own)
    diagonal_bilstm._join(i, colour, count, shared, state, places, own)
    return spot(own.out, i, places.order, 0, 0)


@njit(_nrt=False)
def no_scans(finished, rows, shared, state, own):  # type: ignore[no-untyped-def]
    pass


@njit(nogil=True, _nrt=False)
def timed_advance(  # type: ignore[no-untyped-def]
    parts, slots, first_row, done, lag, work, finished, shared, state, places, own, spent
):
    """The networks' `advance`, with a look at the clock after each part."""
    above, before, layer, scans, kind = parts
    while True:
        t = cycles()
        above(slots, first_row, done, lag, work, shared, state, places, own)
        t = lap(t, BEFORE, spent)
        real, count, wanted = begin_step(slots, first_row, done, lag, work, shared, state, places, own.ring_rows, kind)
        t = lap(t, BEGIN, spent)
        before(real, count, work, shared, state, places, own)
        t = lap(t, BEFORE, spent)
        for colour in range(shared.channels):
            input_from_own(colour, count, shared, state, places)
            for i in range(shared.layers):
                hidden = layer(i, colour, count, shared, state, places, own)
                t = lap(t, OWN, spent)
                to_skips(i, colour, count, hidden, shared, state, places)
                t = lap(t, SKIPS, spent)
            if not end_colour(colour, real, wanted, work, shared, state, places):
                return -1
            t = lap(t, HEAD, spent)
        rows = move_on(work, real, done, first_row, finished)
        if rows:
            scans(finished, rows, shared, state, own)
            lap(t, SCANS, spent)
            return rows


@njit(_nrt=False)
def pixel_cnn_above(slots, first_row, done, lag, work, shared, state, places, own):  # type: ignore[no-untyped-def]
    count = begin_above(slots, first_row, done, lag, work, shared, state, places, own.few, own.ring_rows, 0)
    if count:
        for i in range(shared.layers):
            pixel_cnn._from_above(i, count, spot(own.above, i, places.sums, 0, 0), shared, places, own)


@njit(_nrt=False)
def row_lstm_above(slots, first_row, done, lag, work, shared, state, places, own):  # type: ignore[no-untyped-def]
    count = begin_above(slots, first_row, done, lag, work, shared, state, places, own.few, own.ring_rows, 1)
    if count:
        for i in range(shared.layers):
            row_lstm._from_above(i, count, spot(own.above, i, places.sums, 0, 0), shared, places, own)


@njit(_nrt=False)
def nothing_above(slots, first_row, done, lag, work, shared, state, places, own):  # type: ignore[no-untyped-def]
    pass


NETWORKS = {
    "pixel-cnn": (pixel_cnn_above, pixel_cnn_before, pixel_cnn_own, no_scans, pixel_cnn.STREAM_KIND),
    "row-lstm": (row_lstm_above, row_lstm_before, row_lstm_own, no_scans, row_lstm.STREAM_KIND),
    "diagonal-bilstm": (
        nothing_above,
        diagonal_before,
        diagonal_own,
        diagonal_bilstm._end_rows,
        diagonal_bilstm.STREAM_KIND,
    ),
}


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
    compiled = [[part, share(ticks, spent.sum())] for part, ticks in parts if ticks > spent.sum() / 1000]
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
    spent, parts = np.zeros(len(PARTS), np.int64), NETWORKS[model.config.network]
    stage._advance = lambda *arguments: timed_advance(parts, *arguments, spent)
    began = 0.0
    for round_ in range(rounds + 1):
        if round_ == 1:  # what came before compiled the loop
            spent[:] = 0
            began = time.perf_counter()
        _fill(stage, model, batch)
        while stage._active:
            stage.step()
    return (time.perf_counter() - began) / rounds, spent / rounds


def plain_operations(model: Model, batch: int) -> tuple[float, list[tuple[str, float]]]:
    """Seconds until the first rows of `batch` images are there, and of each operation by itself, longest first."""
    stage = Stage(_plain_network(model), batch)
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


def _fill(stage: CompiledStage | Stage, model: Model, batch: int) -> None:
    config = model.config
    for slot in range(batch):
        noise = image_noise(0, slot, config.height, config.width, config.channels)
        stage.open(slot, Drawing(torch.from_numpy(noise), 1.0))


def _plain_network(model: Model) -> PixelNetwork:
    assert isinstance(model.network, PixelNetwork), "one stage is profiled: choose a preset that is not Multi-Scale"
    return model.network


if __name__ == "__main__":
    main()
