"""A network that reads values as categories beside the same one that reads them as greys; printed.

    python benchmarks/categories.py sprites.npz terrain.npz    nats; ten minutes of one core
    python benchmarks/categories.py --speed                    processor seconds of updates and drawings, interleaved

The files are those of examples/sprites/make_sprites.py, without and with --terrain. A small Row LSTM is trained on
each with the values numbered in three ways, from three seeds; its nats are of validation images.
"""

import argparse
import statistics
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import torch
from rates import MUON, trained
from training import seconds

from model_core import sample, untrained
from model_core.networks import build_network
from model_core.training.batches import Batches
from model_core.training.ranks import Ranks
from model_core.training.recipe import Recipe
from model_core.training.step import Learner

RECIPE = Path(__file__).parents[1] / "examples" / "sprites" / "recipe.toml"
SMALL = "network.layers=2", "network.hidden=16", "network.head=32"
SEEDS, NUMBERINGS, UPDATES, ROUNDS = range(3), range(3), 2000, 10


def recipe(categories: bool, *changes: str) -> Recipe:
    """The recipe of sprites without kinds."""
    network = "channels=1", "values=17", "labels=0", f"categories={str(categories).lower()}"
    return Recipe.load(RECIPE, [*(f"network.{each}" for each in network), *changes])


def nats(file: Path, numbering: int, categories: bool, seed: int) -> float:
    """Nats of an image; numbering 0 is the file's own."""
    with np.load(file) as arrays, tempfile.TemporaryDirectory() as place:
        order = np.random.default_rng(numbering).permutation(17) if numbering else np.arange(17)
        parts = {part: order[arrays[part]].astype(np.uint8) for part in ("train", "valid")}
        np.savez(data := Path(place, "data.npz"), allow_pickle=False, **parts)
        asked = *SMALL, f"data.path={data}", f"training.seed={seed}", *(f"training.{each}" for each in MUON)
        return float(trained(recipe(categories, *asked), UPDATES, 1).mean())


def quality(file: Path) -> None:
    """Print a line of the table for each way to read."""
    for categories in (True, False):
        cells = []
        for numbering in NUMBERINGS:
            found = [nats(file, numbering, categories, seed) for seed in SEEDS]
            cells.append(f"{statistics.mean(found):.1f} ± {statistics.stdev(found) / len(found) ** 0.5:.1f}")
        print(f"| {file.stem}, {'categories' if categories else 'greys'} | {' | '.join(cells)} |", flush=True)


def speed() -> None:
    """Print the medians of an update of 8 images and of drawing 16, the first round left out."""
    runs: dict[str, Callable[[], object]] = {}
    for name, asked in (("categories", recipe(True)), ("greys", recipe(False))):
        config, training = asked.network.config(), asked.training
        images = np.random.default_rng(0).integers(0, config.values, (64, 1, config.height, config.width), np.uint8)
        learner = Learner(build_network(config), Batches(images, training.batch, seed=0), training, Ranks())
        runs[f"update, {name}"] = partial(learner.advance, 0, stop=False)
        model = untrained(asked.network.preset, **asked.network.model_dump(exclude={"preset"}, exclude_none=True))
        runs[f"drawing, {name}"] = partial(sample, model, 16, 0)
    times = [[seconds(run, "cpu") for run in runs.values()] for _ in range(ROUNDS)][1:]
    for name, each in zip(runs, zip(*times, strict=True), strict=True):
        print(f"{name}: {1000 * statistics.median(each):.1f} ms")


if __name__ == "__main__":
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("files", type=Path, nargs="*")
    parser.add_argument("--speed", action="store_true")
    told = parser.parse_args()
    if told.speed:
        speed()
    for file in told.files:
        quality(file)
