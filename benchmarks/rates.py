"""How far short trainings by Muon come, one cosine each: nats of 500 validation images, printed.

    python benchmarks/rates.py mnist-pixelcnn PATH 1000 0.5 1 2                                  times the rate "auto"
    python benchmarks/rates.py mnist-diagonal-bilstm PATH 1000 1 network.layers=3 training.weight_decay=0.1

Trainings of one seed begin with the same weights and see the same batches.
docs/internals/performance.md has what was found.
"""

import sys
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

MUON = (
    "rule='muon'",
    "momentum=0.95",
    "alpha=0.95",
    "schedule='cosine'",
    "learning_rate='auto'",
    "start=''",
    "ema=0.998",
)


def trained(recipe: Recipe, updates: int, times: float) -> np.ndarray:
    """Nats of each validation image by the averaged weights, after so many updates."""
    config, training, path = recipe.network.config(), recipe.training, recipe.data.path
    train, valid = (
        read_dataset(path, "train", config),
        spread(read_dataset(path, "valid", config), 500),
    )
    epochs = -(-updates * training.batch // len(train))
    own = np.random.default_rng(training.seed).permutation(len(train))[
        : updates * training.batch // epochs
    ]
    rate = times * highest_rate(training, updates)
    training = training.model_copy(
        update={"epochs": epochs, "warmup": updates // 20, "learning_rate": rate}
    )
    torch.manual_seed(training.seed)
    network = build_network(config)
    learner = Learner(
        network,
        Batches(train[own], training.batch, seed=training.seed),
        training,
        Ranks(),
    )
    for i in range(updates):
        learner.advance(i, stop=False)
    assert learner.average is not None
    with (
        torch.inference_mode(),
        learner.parameters.other_weights(learner.average.weights),
    ):
        return (
            network.nats_map(torch.from_numpy(valid.astype(np.int64)))
            .flatten(1)
            .sum(1)
            .numpy()
        )


if __name__ == "__main__":
    torch.set_num_threads(1)
    name, data, updates, *told = sys.argv[1:]
    changes = [
        f"data.path={data}",
        *(f"training.{each}" for each in MUON),
        *(each for each in told if "=" in each),
    ]
    recipe = Recipe.load(Path(name), changes)
    nats = {
        times: trained(recipe, int(updates), float(times))
        for times in told
        if "=" not in times
    }
    for times, each in nats.items():
        ahead = each - next(iter(nats.values()))
        error = ahead.std() / len(ahead) ** 0.5
        print(
            f"{times} times: {each.mean():.2f} nats, {ahead.mean():+.2f} ± {error:.2f} beside the first"
        )
