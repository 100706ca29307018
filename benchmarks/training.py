"""Training and evaluation beside the arithmetic floor: writes the section `training` of docs/performance.md.

    python benchmarks/training.py                          everything; half an hour on an idle core
    python benchmarks/training.py --preset cifar10-pixelcnn   one preset; the other rows stay as they are
    python benchmarks/training.py --quick                  two small presets, few rounds, nothing written
    python benchmarks/training.py --device cuda --precision bf16   on a GPU; printed, and nothing written

A step is what `pixelrnn train` does with one batch: forward, backward, clipping, update and average, of random images.
The floor is the time that its useful operations (three times those of a forward pass, masked weights left out) would
take at the rate of a large matrix product, measured in the same rounds. One thread; for several processes see
`pixelrnn train --processes N`, whose log has images/s. The figures are kept in benchmarks/training.json.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from page import machine, number, table, write_section

from model_core import untrained
from model_core.config import PRESETS
from model_core.measures.speed import useful_operations
from model_core.training.allocator import keep_freed_memory
from model_core.training.batches import Batches
from model_core.training.device import training_device
from model_core.training.ranks import Ranks
from model_core.training.recipe import TrainingSection
from model_core.training.step import Learner

FIGURES = Path(__file__).with_suffix(".json")
PEAK_SIDE = 1536
SMALL = ("mnist-diagonal-bilstm", "mnist-row-lstm", "mnist-pixelcnn")
DEFAULT = (*SMALL, "cifar10-diagonal-bilstm", "cifar10-row-lstm", "cifar10-pixelcnn")
HEADER = (
    *("preset", "batch", "step s", "images/s", "minutes for 50,000", "of floor"),
    *("images at once", "images/s", "of peak", "peak GFLOP/s"),
)

Facts = dict[str, Any]


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    if not arguments.plain_allocator:
        keep_freed_memory()
    writes = not (arguments.quick or arguments.plain_allocator or arguments.device != "cpu")
    figures: dict[str, Facts] = json.loads(FIGURES.read_text()) if writes and FIGURES.exists() else {}
    for preset in arguments.preset or (SMALL[:2] if arguments.quick else DEFAULT):
        rounds = 3 if arguments.quick else arguments.rounds
        training = TrainingSection(
            epochs=1,
            batch=arguments.batch,
            learning_rate=1e-4,
            clip=1.0,
            device=arguments.device,
            precision=arguments.precision,
        )
        facts = measure(preset, training, arguments.eval_batch, rounds, arguments.limit)
        figures[f"{preset}/{arguments.batch}"] = {**facts, "machine": machine()}
        print(json.dumps(facts), flush=True)
        if writes:
            FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
            publish(figures)
    print("\n".join(table(HEADER, [row(facts) for facts in figures.values()])))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", nargs="+", choices=sorted(PRESETS), help="only these")
    parser.add_argument("--batch", type=int, default=16, help="images in a step")
    parser.add_argument("--eval-batch", type=int, default=50, help="images in a pass of `pixelrnn evaluate`")
    parser.add_argument("--rounds", type=int, default=20, help="runs of each kind, of which the median counts")
    parser.add_argument("--limit", type=float, default=240.0, help="seconds for a preset, after three rounds")
    parser.add_argument("--device", default="cpu", help="cpu, cuda, cuda:1, ...")
    parser.add_argument("--precision", default="float32", choices=("float32", "bf16"), help="of the steps")
    parser.add_argument("--plain-allocator", action="store_true", help="do not keep freed memory between steps")
    parser.add_argument("--quick", action="store_true", help="see that it works")
    return parser.parse_args()


def measure(preset: str, training: TrainingSection, eval_batch: int, rounds: int, limit_s: float) -> Facts:
    """Medians of interleaved steps, evaluations and matrix products, the last two in float32."""
    device, batch = training_device(training), training.batch
    network = untrained(preset).network.requires_grad_(True).to(device)
    config = network.config
    shape = (max(2 * batch, eval_batch), config.channels, config.height, config.width)
    images = np.random.default_rng(0).integers(0, config.values, shape, np.uint8)
    learner = Learner(network, Batches(images, batch, seed=0), training, Ranks())
    scored = torch.from_numpy(images[:eval_batch].astype(np.int64)).to(device)
    left, right = torch.rand(2, PEAK_SIDE, PEAK_SIDE, device=device)

    @torch.inference_mode()
    def score() -> None:
        network.nats_map(scored)

    timed: list[tuple[float, float, float]] = []
    learner.advance(0, stop=False)
    score()
    started = time.perf_counter()
    while len(timed) < rounds and (len(timed) < 3 or time.perf_counter() - started < limit_s):
        step_s = seconds(lambda: learner.advance(len(timed) + 1, stop=False))
        timed.append((step_s, seconds(score), seconds(lambda: left @ right)))
    step_s, score_s, product_s = (statistics.median(times) for times in zip(*timed, strict=True))
    peak = 2 * PEAK_SIDE**3 / product_s
    image_s = useful_operations(network) / peak
    return {
        "preset": preset,
        "batch": batch,
        "threads": 1,
        "device": training.device,
        "precision": training.precision,
        "rounds": len(timed),
        "step_s": step_s,
        "images_per_s": batch / step_s,
        "minutes_per_50000": 50_000 / batch * step_s / 60,
        "peak_gflops": peak / 1e9,
        "floor_s": 3 * batch * image_s,
        "fraction_of_floor": 3 * batch * image_s / step_s,
        "evaluation_batch": eval_batch,
        "evaluation_images_per_s": eval_batch / score_s,
        "evaluation_fraction_of_peak": eval_batch * image_s / score_s,
    }


def seconds(run: Callable[[], object]) -> float:
    _wait_for_gpu()
    start = time.perf_counter()
    run()
    _wait_for_gpu()
    return time.perf_counter() - start


def _wait_for_gpu() -> None:
    """A GPU works on while the host goes ahead: its time is known only when it has come to an end."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def row(facts: Facts) -> list[str]:
    """One line of the table."""
    return [
        f"`{facts['preset']}`",
        str(facts["batch"]),
        number(facts["step_s"], 3),
        number(facts["images_per_s"], 3),
        number(facts["minutes_per_50000"], 3),
        f"{facts['fraction_of_floor']:.2f}",
        str(facts["evaluation_batch"]),
        number(facts["evaluation_images_per_s"], 3),
        f"{facts['evaluation_fraction_of_peak']:.2f}",
        f"{facts['peak_gflops']:.0f}",
    ]


def publish(figures: dict[str, Facts]) -> None:
    """Write the section of the page."""
    facts = sorted(figures.values(), key=lambda each: (each["preset"], each["batch"]))
    machines = sorted({each["machine"] for each in facts})
    lines = ["", *(f"Measured on {machine}." for machine in machines), ""]
    write_section("training", [*lines, *table(HEADER, [row(each) for each in facts]), ""])


if __name__ == "__main__":
    main()
