"""How far short trainings by Muon come, at other rates and weight decays: nats of validation images, printed.

    python benchmarks/rates.py mnist-pixelcnn --data data/binarized-mnist --updates 1000 --times 0.5 1 2
    python benchmarks/rates.py mnist-diagonal-bilstm --data PATH --set network.layers=3 --decay 0 0.1 --seeds 0 1 2

--times: of the rate that `training.learning_rate = "auto"` takes. Trainings of one seed begin with the same weights and
see the same batches; a cosine ends each. docs/internals/performance.md has what was found.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np
import torch

from model_core.data.datasets import read_dataset
from model_core.data.splits import spread
from model_core.networks import build_network
from model_core.training.batches import Batches
from model_core.training.learning_rate import highest_rate
from model_core.training.ranks import Ranks
from model_core.training.recipe import Recipe
from model_core.training.step import Learner

MUON = ("rule='muon'", "momentum=0.95", "alpha=0.95", "schedule='cosine'", "learning_rate='auto'", "start=''")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe")
    parser.add_argument("--data", required=True)
    parser.add_argument("--updates", type=int, default=1000)
    parser.add_argument("--times", type=float, nargs="+", default=[1.0])
    parser.add_argument("--decay", type=float, nargs="+", default=[0.0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--set", action="append", default=[], dest="changes")
    told = parser.parse_args()
    torch.set_num_threads(1)
    changes = [f"data.path={told.data}", *(f"training.{each}" for each in MUON), *told.changes]
    recipe = Recipe.load(Path(told.recipe), changes)
    train = read_dataset(recipe.data.path, "train", recipe.network.config())
    valid = spread(read_dataset(recipe.data.path, "valid", recipe.network.config()), 500)
    first: np.ndarray | None = None
    for seed, decay, times in itertools.product(told.seeds, told.decay, told.times):
        rate = times * highest_rate(recipe.training, told.updates)
        nats = trained(recipe, train, valid, told.updates, {"learning_rate": rate, "weight_decay": decay, "seed": seed})
        first = nats if first is None else first
        ahead = nats - first
        error = ahead.std() / len(ahead) ** 0.5
        told_as = f"seed {seed}, decay {decay}, rate {rate:.5f}: {nats.mean():.2f} nats"
        print(f"{told_as}, {ahead.mean():+.2f} ± {error:.2f} beside the first", flush=True)


def trained(recipe: Recipe, train: np.ndarray, valid: np.ndarray, updates: int, told: dict[str, float]) -> np.ndarray:
    """Nats of each validation image by the averaged weights, after so many updates."""
    epochs = -(-updates * recipe.training.batch // len(train))
    own = np.random.default_rng(int(told["seed"])).permutation(len(train))[: updates * recipe.training.batch // epochs]
    warm = {"epochs": epochs, "warmup": updates // 20, "ema": 0.998 if updates >= 1000 else 0.99}
    torch.manual_seed(int(told["seed"]))
    network, training = build_network(recipe.network.config()), recipe.training.model_copy(update={**warm, **told})
    learner = Learner(network, Batches(train[own], training.batch, seed=int(told["seed"])), training, Ranks())
    for i in range(updates):
        learner.advance(i, stop=False)
    assert learner.average is not None
    with torch.inference_mode(), learner.parameters.holding(learner.average.weights):
        parts = torch.from_numpy(valid.astype(np.int64)).split(50)
        return torch.cat([network.nats_map(part).flatten(1).sum(1) for part in parts]).numpy()


if __name__ == "__main__":
    main()
