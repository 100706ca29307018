"""Speed of one training step and of evaluation, beside the arithmetic floor of this machine.

    python benchmarks/training.py --preset mnist-diagonal-bilstm --batch 16

A step is forward, backward and update of random images. The floor is the time that its useful operations (three times
those of a forward pass, masked weights left out) would take at the rate of a large matrix product, measured in the same
run. One thread; for two processes see `pixelrnn train --processes 2`, whose log has images/s.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable

import torch

from model_core import untrained
from model_core.likelihood import nats_per_image
from model_core.sampling.benchmark import useful_operations
from model_core.training.allocator import keep_freed_memory

PEAK_SIDE = 1536


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="mnist-diagonal-bilstm")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--eval-batch", type=int, default=50)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--plain-allocator", action="store_true", help="do not keep freed memory between steps")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    if not arguments.plain_allocator:
        keep_freed_memory()
    print(json.dumps(measure(arguments.preset, arguments.batch, arguments.eval_batch, arguments.rounds), indent=1))


def measure(preset: str, batch: int, eval_batch: int, rounds: int) -> dict[str, object]:
    """Medians of interleaved steps, evaluations and matrix products."""
    model = untrained(preset)
    network, config = model.network.requires_grad_(True), model.config
    optimiser = torch.optim.RMSprop(network.parameters(), lr=1e-4)
    values = torch.randint(0, config.values, (max(batch, eval_batch), config.channels, config.height, config.width))
    left, right = torch.rand(PEAK_SIDE, PEAK_SIDE), torch.rand(PEAK_SIDE, PEAK_SIDE)

    def step() -> None:
        optimiser.zero_grad()
        (nats_per_image(network, values[:batch]).mean() / config.dimensions).backward()
        optimiser.step()

    @torch.inference_mode()
    def score() -> None:
        network.nats_map(values[:eval_batch])

    step()
    score()
    rates = [(seconds(step), seconds(score), seconds(lambda: left @ right)) for _ in range(rounds)]
    step_s, score_s, product_s = (statistics.median(times) for times in zip(*rates, strict=True))
    peak = 2 * PEAK_SIDE**3 / product_s
    image_s = useful_operations(network) / peak
    floor_s = 3 * batch * image_s
    return {
        "preset": preset,
        "batch": batch,
        "threads": 1,
        "step_s": step_s,
        "images_per_s": batch / step_s,
        "minutes_per_50000": 50_000 / batch * step_s / 60,
        "peak_gflops": peak / 1e9,
        "floor_s": floor_s,
        "fraction_of_floor": floor_s / step_s,
        "evaluation_batch": eval_batch,
        "evaluation_images_per_s": eval_batch / score_s,
        "evaluation_fraction_of_peak": eval_batch * image_s / score_s,
    }


def seconds(run: Callable[[], object]) -> float:
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
