"""What one model costs beside another: drawing, completing, and the memory of an image.

    python benchmarks/cost.py                        the models of docs/internals/performance.md
    python benchmarks/cost.py MODEL... --rounds 3    others; nothing is written

Models take turns in each round, and the medians of all rounds count. Seconds are those of
the processor, of one thread, after a first call that compiles. The pictures that are
completed are drawn by the model itself, and each is completed once with the default
settings of `POST /complete`. *Memory* is what a worker reserves for each image that is
drawn at the same time (`PIXELRNN_SLOT_MEMORY_MIB` is shared by them).
"""

import argparse
import statistics
import time
from collections import defaultdict
from collections.abc import Callable

import torch
from sections import machine, number, table, weights_of, write_section
from torch import Tensor

from model_core import complete, load_model, sample
from model_core.models import Model
from model_core.sampling.stages import slot_bytes

MODELS = ("cifar10-row-lstm-wider", "cifar10-row-lstm-deep")
HOLES = {
    "lower half": (slice(16, None), slice(None)),
    "upper half": (slice(None, 16), slice(None)),
    "left half": (slice(None), slice(None, 16)),
}
"""Rows and columns of a picture of 32 x 32."""
HEADER = ["model", "an image", "16 images, each", *HOLES, "memory, MiB"]


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    names = arguments.models or MODELS
    models = {name: load_model(name) for name in names}
    seconds = measured(models, arguments.rounds)
    rows = [
        [
            weights_of(name, model.card.sha256),
            *(number(statistics.median(each)) for each in seconds[name].values()),
            f"{slot_bytes(model) / 2**20:.1f}",
        ]
        for name, model in models.items()
    ]
    lines = ["", f"Measured on {machine()}.", "", *table(HEADER, rows), ""]
    print("\n".join(lines))
    if not arguments.models:
        write_section("cost", lines)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="*", metavar="MODEL")
    parser.add_argument("--rounds", type=int, default=7)
    return parser.parse_args()


def measured(
    models: dict[str, Model], rounds: int
) -> dict[str, dict[str, list[float]]]:
    """Return the processor seconds of an image: model -> case -> one number for each
    round. The cases are in the order of HEADER."""
    cases = {name: cases_of(model) for name, model in models.items()}
    for of_model in cases.values():
        for run in of_model.values():
            run(0)
    seconds: dict[str, dict[str, list[float]]] = {
        name: defaultdict(list) for name in models
    }
    for seed in range(1, rounds + 1):
        for name, of_model in cases.items():
            for case, run in of_model.items():
                begin = time.process_time()
                images = run(seed)
                spent = time.process_time() - begin
                seconds[name][case].append(spent / images)
    return seconds


def cases_of(model: Model) -> dict[str, Callable[[int], int]]:
    """Return case -> function, in the order of HEADER. A function takes a seed, samples
    or completes images, and returns their number."""

    def draw(n: int) -> Callable[[int], int]:
        return lambda seed: len(sample(model, n, seed=seed))

    def fill(keep: Tensor) -> Callable[[int], int]:
        def run(seed: int) -> int:
            complete(model, pictures[seed], keep, 1, seed=seed)
            return 1

        return run

    pictures = sample(model, 64, seed=2016)
    cases = {"an image": draw(1), "16 images, each": draw(16)}
    for hole, (rows, columns) in HOLES.items():
        keep = torch.ones(pictures.shape[2:], dtype=torch.bool)
        keep[rows, columns] = False
        cases[hole] = fill(keep)
    return cases


if __name__ == "__main__":
    main()
