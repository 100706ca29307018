"""How well is the unseen part of a plan foretold? Log-loss and calibration over held-out plans, beside three baselines.

    python examples/maps/measure.py plans.npz --plans 500

Every method gives each unseen cell a probability of being free; all are kept within 0.01 and 0.99, so that no count of
draws is taken for certainty. Bits are of one unseen cell, averaged over plans.
"""

import argparse
import time

import numpy as np
import torch
from numpy.typing import NDArray
from robot import Plan, Seen, observe

from model_core import Model, complete, load_model

Map = NDArray[np.float64]
"""(H, W): the probability that a cell is free."""
SURE = 0.99


def foretold(
    model: Model, plan: Plan, seen: Seen, seed: int, particles: int
) -> tuple[Map, Map, float]:
    """Expectations of the posterior and of clamp, and the posterior's seconds."""
    known, keep = torch.from_numpy(plan * seen).long()[None], torch.from_numpy(seen)
    started = time.process_time()
    posterior = complete(model, known, keep, n=4, seed=seed, particles=particles)
    seconds = time.process_time() - started
    assert posterior.mean is not None
    clamp = complete(model, known, keep, n=32, seed=seed, method="clamp").values
    return (
        posterior.mean[0].double().numpy(),
        clamp[:, 0].double().mean(0).numpy(),
        seconds,
    )


def nearest_seen(plan: Plan, seen: Seen) -> tuple[Plan, NDArray[np.int64]]:
    """The nearest cell that was seen, for each cell: whether it is free, and how many cells away."""
    where = np.argwhere(seen)
    apart = ((np.argwhere(np.ones_like(seen))[:, None] - where) ** 2).sum(2)
    found = plan[tuple(where[apart.argmin(1)].T)]
    return found.reshape(plan.shape), np.sqrt(apart.min(1)).astype(int).reshape(
        plan.shape
    )


def free_by_nearest(plans: Plan) -> NDArray[np.float64]:
    """(2, cells away): how often a cell is free whose nearest seen one is not, or is; counted on training plans."""
    counts = np.ones((2, plans.shape[1] + plans.shape[2], 2))
    for i, plan in enumerate(plans):
        seen, _ = observe(plan, np.random.default_rng([8, i]))
        free, away = nearest_seen(plan, seen)
        np.add.at(counts, (free[~seen], away[~seen], plan[~seen]), 1)
    return counts[..., 1] / counts.sum(-1)


def bits(said: Map, plan: Plan, seen: Seen) -> float:
    """Log-loss of an unseen cell."""
    said = np.clip(said, 1 - SURE, SURE)
    return float(-np.log2(np.where(plan == 1, said, 1 - said))[~seen].mean())


def main() -> None:
    """Measure, and print Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data")
    parser.add_argument("--model", default="maps")
    parser.add_argument("--plans", type=int, default=500)
    parser.add_argument("--particles", type=int, default=32)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(asked.model)
    with np.load(asked.data) as data:
        plans, mean, by_nearest = (
            data["test"][: asked.plans],
            data["train"].mean(0),
            free_by_nearest(data["train"][:300]),
        )
    losses: dict[str, list[float]] = {}
    cells, seconds = [], 0.0
    for i, plan in enumerate(plans):
        seen, _ = observe(plan, np.random.default_rng([7, i]))
        posterior, clamp, spent = foretold(model, plan, seen, i, asked.particles)
        seconds += spent
        baselines = {
            "nothing known: mean map": mean,
            "nearest seen cell": by_nearest[nearest_seen(plan, seen)],
        }
        for name, its in {**baselines, "clamp": clamp, "posterior": posterior}.items():
            losses.setdefault(name, []).append(bits(its, plan, seen))
        cells.append(np.stack([posterior[~seen], plan[~seen]]))
        if i % 25 == 24:
            print(
                i + 1,
                {name: round(float(np.mean(its)), 3) for name, its in losses.items()},
                flush=True,
            )
    print("| method | bits an unseen cell |\n|---|---|")
    for name, its in losses.items():
        print(
            f"| {name} | {np.mean(its):.3f} ± {np.std(its) / np.sqrt(len(its)):.3f} |"
        )
    print(
        f"{len(plans)} plans, {seconds / len(plans):.2f} processor seconds a plan for the posterior\n"
    )
    print("| said free | is free | cells |\n|---|---|---|")
    said, free = np.concatenate(cells, 1)
    for low in np.arange(10) / 10:
        inside = (said >= low) & ((said < low + 0.1) | (low == 0.9))
        if inside.any():
            print(
                f"| {said[inside].mean():.3f} | {free[inside].mean():.3f} | {inside.sum():,} |"
            )


if __name__ == "__main__":
    main()
