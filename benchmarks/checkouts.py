"""Is drawing as fast in this checkout as in another one? Two processes, one of each, draw in turns.

    git worktree add ../before REVISION
    python benchmarks/checkouts.py ../before                                      the paper's presets, 1 and 16 images
    python benchmarks/checkouts.py ../before --preset mnist-row-lstm --batch 64   one cell

Each turn draws for at least --seconds of the processor's time, in one thread, and counts by its mean. The ratio of a
cell is that of the two medians; the two numbers after it are the quartiles of the ratio turn by turn, which say how
noisy the machine was. Weights are random, sizes those of the presets in this checkout.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

from model_core.config import PRESETS

HERE = Path(__file__).resolve().parent.parent
PRESETS_OF_THE_PAPER = [
    name for name in sorted(PRESETS) if not name.startswith("imagenet")
]

DRAW = """
import json, sys, time, torch
from model_core import sample, untrained
torch.set_num_threads(1)
model, now = None, None
for line in sys.stdin:
    preset, sizes, batch, least = json.loads(line)
    if preset != now:
        model, now = untrained(preset, **sizes), preset
        sample(model, batch, seed=0)
    runs, began = 0, time.process_time()  # other programs on the machine take from the clock, and hardly from this
    while (spent := time.process_time() - began) < least:
        sample(model, batch, seed=runs)
        runs += 1
    print(spent / runs, flush=True)
"""


class Checkout:
    """A process that draws with the sources of one checkout."""

    def __init__(self, root: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(root), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-c", DRAW]
        self._process = subprocess.Popen(
            command,
            cwd=root,
            env=environment,
            text=True,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def seconds(self, preset: str, batch: int, least: float) -> float:
        """The mean time of a drawing, over as many as fit into `least` seconds."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        sizes = {
            name: getattr(PRESETS[preset], name)
            for name in ("layers", "hidden", "head")
        }
        print(
            json.dumps([preset, sizes, batch, least]),
            file=self._process.stdin,
            flush=True,
        )
        return float(self._process.stdout.readline())


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, help="the other checkout")
    parser.add_argument(
        "--preset", nargs="+", choices=sorted(PRESETS), default=PRESETS_OF_THE_PAPER
    )
    parser.add_argument("--batch", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument(
        "--seconds", type=float, default=0.3, help="at least, for each turn"
    )
    arguments = parser.parse_args()
    sides = (Checkout(arguments.before.resolve()), Checkout(HERE))
    for preset in arguments.preset:
        for batch in arguments.batch:
            print(
                f"{preset} {batch}: {_compared(sides, preset, batch, arguments)}",
                flush=True,
            )


def _compared(
    sides: tuple[Checkout, Checkout],
    preset: str,
    batch: int,
    arguments: argparse.Namespace,
) -> str:
    for side in sides:
        side.seconds(preset, batch, arguments.seconds)  # compiles, loads, warms up
    turns: list[tuple[float, float]] = []
    for turn in range(arguments.turns):
        order = sides if turn % 2 else sides[::-1]
        seconds = [side.seconds(preset, batch, arguments.seconds) for side in order]
        turns.append((seconds[0], seconds[1]) if turn % 2 else (seconds[1], seconds[0]))
    before, after = (statistics.median(column) for column in zip(*turns, strict=True))
    low, _, high = statistics.quantiles([new / old for old, new in turns], n=4)
    change, spread = f"{after / before - 1:+.1%}", f"{low - 1:+.1%} to {high - 1:+.1%}"
    return (
        f"{before * 1e3:.2f} ms before, {after * 1e3:.2f} ms now, {change} ({spread})"
    )


if __name__ == "__main__":
    main()
