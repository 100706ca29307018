"""Processor time that one image takes of each process of the service, beside another checkout's, in turns.

    python benchmarks/processor.py                  this checkout alone
    python benchmarks/processor.py ../before        and ../before, whose own .venv runs it

Two services stand side by side with one worker each, and get the same jobs in turns: `--jobs` of 16 images that nobody
follows, and images one by one, each to the last of its events. Seconds of the processor, in user and system, so that
what else the machine does costs little; medians of the turns.
"""

import argparse
import contextlib
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from sections import machine, table
from stack import Stack

from worker.contract import keys

HERE = Path(__file__).resolve().parent.parent
IMAGES = 16
PARTS = {
    "valkey-server": "Valkey",
    "pixelrnn api": "API",
    "worker.start": "worker",
    "worker.engine": "engine",
}
ROWS = "Valkey", "API", "worker", "engine", "all"
LOOK_S = 0.1
_PROCESSOR = 2
"""The clock of a process that counts its processor's nanoseconds (Linux): psutil's counts in hundredths of a second."""


@dataclass
class Side:
    """A service, and what an image took of it in each turn, in milliseconds."""

    name: str
    stack: Stack
    turns: list[dict[str, float]]

    def measure(self, do: Callable[[Stack], int]) -> None:
        before = self._seconds()
        images = do(self.stack)
        time.sleep(2 * LOOK_S)  # what is written behind the end
        took = {
            part: 1000 * (seconds - before[part]) / images
            for part, seconds in self._seconds().items()
        }
        self.turns.append({**took, "all": sum(took.values())})

    def _seconds(self) -> dict[str, float]:
        found = dict.fromkeys(PARTS.values(), 0.0)
        for process in psutil.Process(self.stack.pid).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                command = " ".join(process.cmdline())
                part = next(
                    (name for word, name in PARTS.items() if word in command), None
                )
                if part is not None:
                    found[part] += time.clock_gettime(~process.pid << 3 | _PROCESSOR)
        return found


def many(jobs: int, model: str) -> Callable[[Stack], int]:
    """Jobs of 16 images, until all have ended."""

    def do(stack: Stack) -> int:
        for seed in range(jobs):
            httpx.post(
                f"{stack.url}/sample", json={"model": model, "n": IMAGES, "seed": seed}
            ).raise_for_status()
        while stack.redis.exists(keys.OPEN):
            time.sleep(LOOK_S)
        return jobs * IMAGES

    return do


def lone(images: int, model: str) -> Callable[[Stack], int]:
    """One image after the other, with its events."""

    def do(stack: Stack) -> int:
        with httpx.Client(
            base_url=stack.url, headers={"Accept": "text/event-stream"}
        ) as client:
            for seed in range(images):
                assert (
                    "event: done"
                    in client.post("/sample", json={"model": model, "seed": seed}).text
                )
        return images

    return do


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("before", type=Path, nargs="?", help="another checkout")
    parser.add_argument("--model", default="mnist-diagonal-bilstm")
    parser.add_argument("--jobs", type=int, default=24)
    parser.add_argument("--lone", type=int, default=60)
    parser.add_argument("--turns", type=int, default=5)
    asked = parser.parse_args()
    places = (
        {"before": asked.before.resolve(), "now": HERE}
        if asked.before
        else {"now": HERE}
    )
    with contextlib.ExitStack() as open_:
        sides = [
            Side(name, open_.enter_context(Stack(asked.model, place=place)), [])
            for name, place in places.items()
        ]
        print(
            f"Measured on {machine()}, `{asked.model}`: milliseconds of the processor an image, medians of turns."
        )
        for name, do in (
            ("jobs of 16", many(asked.jobs, asked.model)),
            ("one by one", lone(asked.lone, asked.model)),
        ):
            for side in sides:
                do(side.stack)
                side.turns.clear()
            for turn in range(2 * asked.turns):
                sides[turn % len(sides)].measure(do)
            print(
                "\n".join(
                    table(
                        [name, *(f"{row}, ms" for row in ROWS)],
                        [_row(side) for side in sides],
                    )
                ),
                flush=True,
            )
            if asked.before:
                print(f"now / before, turn by turn: {_ratios(*sides)}", flush=True)


def _row(side: Side) -> list[str]:
    return [
        side.name,
        *(f"{statistics.median(turn[row] for turn in side.turns):.2f}" for row in ROWS),
    ]


def _ratios(before: Side, now: Side) -> str:
    pairs = list(zip(before.turns, now.turns, strict=True))
    return ", ".join(
        f"{row} {statistics.median(b[row] / a[row] for a, b in pairs):.2f}"
        for row in ROWS
    )


if __name__ == "__main__":
    main()
