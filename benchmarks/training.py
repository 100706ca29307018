"""Training and evaluation beside the arithmetic floor: writes the section `training` of docs/internals/performance.md.

    python benchmarks/training.py                              the small recipes; a quarter of an hour on an idle core
    python benchmarks/training.py --recipe cifar10-row-lstm    one recipe; the other rows stay as they are
    python benchmarks/training.py --rules NAME ...             which weights of these recipes Muon moves; only printed
    python benchmarks/training.py --quick                      one small recipe, few rounds, nothing written
    python benchmarks/training.py --preset cifar10-pixelcnn --device cuda --precision bf16   printed, nothing written

A step is what `pixelrnn train` does with one batch: forward, backward, clipping, update and average, of random images.
The floor is the time that its useful operations (three times those of a forward pass, masked weights left out) would
take at the rate of a large float32 matrix product, measured in the same rounds. One thread; on a CPU all seconds are
processor seconds, so that what else runs there counts little. For several processes see `pixelrnn train --processes N`,
whose log has images/s. The figures are kept in benchmarks/training.json.
"""

import argparse
import json
import statistics
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sections import machine, number, table, write_section

from model_core.allocator import keep_freed_memory
from model_core.compiled.vector_code import HAS_BF16
from model_core.config import PRESETS, NetworkConfig, preset
from model_core.measures.speed import useful_operations
from model_core.networks import Network, build_network
from model_core.training.batches import Batches
from model_core.training.device import training_device
from model_core.training.optimiser import moves_as_matrix
from model_core.training.ranks import Ranks
from model_core.training.recipe import Recipe, TrainingSection
from model_core.training.step import Learner

CONFIGS = Path(__file__).parents[1] / "configs"
FIGURES = Path(__file__).with_suffix(".json")
PEAK_SIDE = 1536
MNIST = ("mnist-diagonal-bilstm", "mnist-row-lstm", "mnist-pixelcnn")
CIFAR = (
    "cifar10-small-diagonal-bilstm",
    "cifar10-small-row-lstm",
    "cifar10-small-pixelcnn",
    "cifar10-small-multi-scale",
)
HEADER = (
    *(
        "recipe",
        "batch",
        "step ms",
        "images/s",
        "GFLOP/s",
        "of floor",
        "step ms in bf16",
        "faster",
    ),
    *("evaluation, images/s", "GFLOP/s", "of floor", "floor GFLOP/s"),
)

Facts = dict[str, Any]


@dataclass(frozen=True)
class Subject:
    """The network that is measured, and on what."""

    name: str
    config: NetworkConfig
    training: TrainingSection


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    if arguments.rules:
        print("\n".join(map(rules, arguments.rules)))
        return
    if not arguments.plain_allocator:
        keep_freed_memory()
    writes = not (arguments.quick or arguments.preset or arguments.plain_allocator)
    figures: dict[str, Facts] = (
        json.loads(FIGURES.read_text()) if writes and FIGURES.exists() else {}
    )
    for subject in _subjects(arguments):
        facts = measure(
            subject,
            arguments.eval_batch,
            3 if arguments.quick else arguments.rounds,
            arguments.limit,
        )
        figures[facts["name"]] = {**facts, "machine": machine()}
        print(json.dumps(facts), flush=True)
        if writes:
            FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
            publish(figures)
    print("\n".join(table(HEADER, [row(facts) for facts in figures.values()])))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    recipes = sorted(path.stem for path in CONFIGS.glob("*.toml"))
    parser.add_argument("--recipe", nargs="+", choices=recipes, help="only these")
    parser.add_argument(
        "--preset",
        nargs="+",
        choices=sorted(PRESETS),
        help="presets in place of recipes",
    )
    parser.add_argument(
        "--batch", type=int, default=16, help="images in a step of a preset"
    )
    parser.add_argument(
        "--eval-batch",
        type=int,
        default=50,
        help="images in a pass of `pixelrnn evaluate`",
    )
    parser.add_argument(
        "--rounds",
        type=int,
        default=20,
        help="runs of each kind, of which the median counts",
    )
    parser.add_argument(
        "--limit",
        type=float,
        default=240.0,
        help="seconds for a recipe, after three rounds",
    )
    parser.add_argument(
        "--device", default="cpu", help="of presets: cpu, cuda, cuda:1, ..."
    )
    parser.add_argument(
        "--precision",
        default="float32",
        choices=("float32", "bf16"),
        help="of the steps of presets",
    )
    parser.add_argument(
        "--plain-allocator",
        action="store_true",
        help="do not keep freed memory between steps",
    )
    parser.add_argument(
        "--rules",
        nargs="+",
        choices=recipes,
        help="shares of weights by the rules of training.rule=muon",
    )
    parser.add_argument("--quick", action="store_true", help="see that it works")
    return parser.parse_args()


def _subjects(arguments: argparse.Namespace) -> list[Subject]:
    if arguments.preset:
        precision = {"device": arguments.device, "precision": arguments.precision}
        training = TrainingSection(
            epochs=1, batch=arguments.batch, learning_rate=1e-4, clip=1.0, **precision
        )
        return [Subject(name, preset(name), training) for name in arguments.preset]
    names = arguments.recipe or (MNIST[:1] if arguments.quick else (*MNIST, *CIFAR))
    recipes = {
        name: Recipe.load(CONFIGS / f"{name}.toml", ["training.precision=float32"])
        for name in names
    }
    return [
        Subject(name, recipe.network.config(), recipe.training)
        for name, recipe in recipes.items()
    ]


def measure(subject: Subject, eval_batch: int, rounds: int, limit_s: float) -> Facts:
    """Medians of interleaved steps, evaluations and matrix products, the last two in float32."""
    training, config = subject.training, subject.config
    device, batch = training_device(training), training.batch
    shape = (max(2 * batch, eval_batch), config.channels, config.height, config.width)
    images = np.random.default_rng(0).integers(0, config.values, shape, np.uint8)
    learner = _learner(config, images, training)
    network = learner.network
    scored = torch.from_numpy(images[:eval_batch].astype(np.int64)).to(device)
    left, right = torch.rand(2, PEAK_SIDE, PEAK_SIDE, device=device)

    @torch.inference_mode()
    def score() -> None:
        network.nats_map(scored)

    runs: dict[str, Callable[[], object]] = {
        "step": _steps(learner),
        "score": score,
        "product": lambda: left @ right,
    }
    if device == "cpu" and HAS_BF16 and training.precision == "float32":
        bf16 = training.model_copy(update={"precision": "bf16"})
        runs["bf16"] = _steps(_learner(config, images, bf16))
    return _facts(
        subject,
        eval_batch,
        useful_operations(network),
        _medians(runs, rounds, limit_s, device),
    )


def _learner(config: NetworkConfig, images: Any, training: TrainingSection) -> Learner:
    torch.manual_seed(0)
    network: Network = build_network(config).to(training.device)
    return Learner(network, Batches(images, training.batch, seed=0), training, Ranks())


def _steps(learner: Learner) -> Callable[[], object]:
    iterations = iter(range(10**9))
    return lambda: learner.advance(next(iterations), stop=False)


def _medians(
    runs: dict[str, Callable[[], object]], rounds: int, limit_s: float, device: str
) -> Facts:
    """Seconds of each, the first round left out."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for run in runs.values():
        run()
    started = time.perf_counter()
    for done in range(rounds):
        if done >= 3 and time.perf_counter() - started > limit_s:
            break
        for name, run in runs.items():
            times[name].append(seconds(run, device))
    return {
        "rounds": len(times["step"]),
        **{name: statistics.median(each) for name, each in times.items()},
    }


def _facts(subject: Subject, eval_batch: int, operations: int, medians: Facts) -> Facts:
    batch, step_s, score_s = subject.training.batch, medians["step"], medians["score"]
    peak = 2 * PEAK_SIDE**3 / medians["product"]
    return {
        "name": subject.name,
        "batch": batch,
        "threads": 1,
        "device": subject.training.device,
        "precision": subject.training.precision,
        "rounds": medians["rounds"],
        "step_s": step_s,
        "images_per_s": batch / step_s,
        "gflops": 3 * batch * operations / step_s / 1e9,
        "fraction_of_floor": 3 * batch * operations / step_s / peak,
        "bf16_step_s": medians.get("bf16"),
        "evaluation_batch": eval_batch,
        "evaluation_images_per_s": eval_batch / score_s,
        "evaluation_gflops": eval_batch * operations / score_s / 1e9,
        "evaluation_fraction_of_floor": eval_batch * operations / score_s / peak,
        "floor_gflops": peak / 1e9,
    }


def seconds(run: Callable[[], object], device: str) -> float:
    """Seconds of this process's processor on a CPU; of the clock for a GPU, whose time is known when it has come to an
    end."""
    if device == "cpu":
        start = time.process_time()
        run()
        return time.process_time() - start
    torch.cuda.synchronize()
    start = time.perf_counter()
    run()
    torch.cuda.synchronize()
    return time.perf_counter() - start


def row(facts: Facts) -> list[str]:
    """One line of the table."""
    bf16_s = facts["bf16_step_s"]
    return [
        f"`{facts['name']}`",
        str(facts["batch"]),
        number(1000 * facts["step_s"], 3),
        number(facts["images_per_s"], 3),
        f"{facts['gflops']:.0f}",
        f"{facts['fraction_of_floor']:.2f}",
        number(1000 * bf16_s, 3) if bf16_s else "-",
        f"{facts['step_s'] / bf16_s:.2f}" if bf16_s else "-",
        number(facts["evaluation_images_per_s"], 3),
        f"{facts['evaluation_gflops']:.0f}",
        f"{facts['evaluation_fraction_of_floor']:.2f}",
        f"{facts['floor_gflops']:.0f}",
    ]


def publish(figures: dict[str, Facts]) -> None:
    """Write the section of the page."""
    facts = sorted(figures.values(), key=lambda each: each["name"])
    machines = sorted({each["machine"] for each in facts})
    lines = ["", *(f"Measured on {machine}." for machine in machines), ""]
    write_section(
        "training", [*lines, *table(HEADER, [row(each) for each in facts]), ""]
    )


def rules(name: str) -> str:
    """Shares of a recipe's weights that Muon and Adam's rule move, and what the largest of them are."""
    shares: dict[str, Counter[str]] = {"Muon": Counter(), "Adam's rule": Counter()}
    for path, weight in build_network(
        Recipe.load(CONFIGS / f"{name}.toml").network.config()
    ).named_parameters():
        layer = ".".join(
            part
            for part in path.split(".")[-2:]
            if part not in ("weight", "left", "right", "layer")
        )
        shares["Muon" if moves_as_matrix(weight) else "Adam's rule"][layer] += (
            weight.numel()
        )
    total = sum(of_rule.total() for of_rule in shares.values())
    lines = [f"{name}, {total:,} weights"]
    for rule, of_rule in shares.items():
        largest = ", ".join(
            f"{layer} {count / total:.1%}" for layer, count in of_rule.most_common(4)
        )
        lines.append(f"  {rule} {of_rule.total() / total:.1%}: {largest}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
