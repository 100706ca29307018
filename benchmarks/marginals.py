"""How right the marginals of completions are, by the weights of what they are made of.

    python benchmarks/marginals.py --log FILE --images 300    twenty kinds of hole
    python benchmarks/marginals.py --log FILE --images 300 --small    eight small kinds
    python benchmarks/marginals.py --log FILE --images 87 --model mnist-row-lstm

Images that the models drew themselves are completed once each, by chains. A marginal is the
mean of the chains' particles, of what the networks predict along the chains' last images
(PREDICTED of model_core/posterior/marginals.py) and of the first particles as they passed
(PASSED). The table has, for several pairs of these weights, the log-loss of the hidden
pixels, the error of calibration, and how often pixels are white that are said to be with
less than 0.002. Pixels of one hole hang together, so the error of calibration has a
standard error over holes, and beside it stands the error that so few holes would show on
average if every probability were right. docs/internals/posterior.md cites it. One thread; --log
keeps each hole and goes on.
"""

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from model_core import load_model, sample
from model_core.models import Model
from model_core.posterior.completion import drawn_receipt_steps
from model_core.posterior.islands import IslandsRun
from model_core.posterior.marginals import FLOOR, OF_SMALL_HOLE, PASSED, PREDICTED
from model_core.posterior.targets import Target

MODELS = (
    "mnist-row-lstm",
    "mnist-pixelcnn",
    "mnist-diagonal-bilstm",
    "mnist-labelled",
    "mnist-diagonal-bilstm-x4",
)
WEIGHTS = (
    (2.0, 4.0),
    (PREDICTED, PASSED),
    (2.0, 8.0),
    (1.0, 4.0),
    (0.5, 1.0),
    (PREDICTED * OF_SMALL_HOLE, PASSED * OF_SMALL_HOLE),
    (0.25, 0.5),
    (0.0, 0.0),
)
"""Pairs of weights, of predictions and of first particles."""
EDGES = (0.0, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99, 1.0)
"""Edges of the bins of what is said of a pixel."""
TURNS = 4
"""Kinds of hole that take turns."""
RARE = 0.002
RESAMPLED = 200
"""Times that holes are drawn with replacement for a standard error."""
PARTICLES, SWEEPS = 32, 2

Keep = NDArray[np.bool_]
Hole = dict[str, Any]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--images", type=int, default=0, help="holes, of all models")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--model", nargs="+", default=MODELS)
    parser.add_argument(
        "--first", type=int, default=0, help="round of all kinds to begin with"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    holes = read(arguments.log)
    done = {(each["model"], each["i"]) for each in holes}
    wanted = measured(arguments.model, arguments.small, arguments.first, done)
    with arguments.log.open("a") as log:
        while len(holes) < arguments.images:
            holes.append(next(wanted))
            log.write(json.dumps(holes[-1]) + "\n")
            log.flush()
    print("\n".join(lines(holes)))


def read(log: Path) -> list[Hole]:
    if not log.exists():
        return []
    return [json.loads(line) for line in log.read_text().splitlines()]


def measured(
    names: Sequence[str], small: bool, first: int, done: set[tuple[str, int]]
) -> Iterator[Hole]:
    """Complete further images, one of each model in turn, for ever."""
    models = [load_model(name) for name in names]
    kinds = small_holes if small else further_holes
    step = first
    while True:
        for model in models:
            H, W = model.config.height, model.config.width
            shapes = kinds(H, W, step)
            for place, name in enumerate(shapes):
                i = step * len(shapes) + place
                is_turn = small or (place + step) % TURNS == 0
                if is_turn and (model.card.name, i) not in done:
                    keep = np.ascontiguousarray(shapes[name])
                    yield completed(model, name, keep, i)
        step += 1


def completed(model: Model, kind: str, keep: Keep, i: int) -> Hole:
    """Complete image i, and return what its marginals are made of, in the hole."""
    image = sample(model, 1, seed=881100, first=i)[0].numpy()
    target = Target.of(model, image, keep, 1.0)
    none = np.zeros(keep.shape)
    if target.needs_particles:
        run = IslandsRun(target, i, PARTICLES, SWEEPS)
        run.draw(0)
        ess = run.receipt()[0].ess
        parts = {
            name: each[1, 0] if each.ndim == 4 else each
            for name, each in run.shares.parts().items()
        }
    else:
        ess = None
        *_, found = drawn_receipt_steps(target, image[None][:0], i)
        assert found is not None, "the last step has the receipt"
        _, marginals = found
        predicted = (marginals.mean[0] - FLOOR / 2) / (1 - FLOOR)
        parts = dict.fromkeys(("drawn", "sweeps", "passed", "passes"), none)
        parts |= {"predicted": predicted}
    parts |= {"w": image[0]}
    facts = {"model": model.card.name, "kind": kind, "i": i, "ess": ess}
    return facts | {
        name: np.round(each[~keep].astype(float), 6).tolist()
        for name, each in parts.items()
    }


def lines(holes: Sequence[Hole]) -> list[str]:
    """A line for each pair of weights, without and with the floor, and for each model."""
    found = [f"{len(holes)} holes, {sum(len(each['w']) for each in holes)} pixels"]
    for weights in WEIGHTS:
        for floor in (0.0, FLOOR):
            name = f"weights {weights[0]:g} and {weights[1]:g}, floor {floor:g}"
            found.append(f"{name}: {figures(holes, weights, floor)}")
    for model in dict.fromkeys(each["model"] for each in holes):
        own = [each for each in holes if each["model"] == model]
        for weights in ((2.0, 4.0), (PREDICTED, PASSED)):
            name = f"{model}, {len(own)} holes, {weights[0]:g} and {weights[1]:g}"
            found.append(f"{name}: {figures(own, weights, FLOOR)}")
    return found


def figures(holes: Sequence[Hole], weights: tuple[float, float], floor: float) -> str:
    """Say how right the marginals of holes are with these weights."""
    told = [{"p": marginals(each, *weights, floor), "w": each["w"]} for each in holes]
    p = np.concatenate([each["p"] for each in told])
    white = np.concatenate([each["w"] for each in told])
    likelihood = np.where(white == 1, p, 1 - p)
    loss = -np.log(np.maximum(likelihood, 1e-9)).mean()
    rare = p < RARE
    often = white[rare].mean() if rare.any() else 0
    said = p[rare].mean() if rare.any() else 0
    return (
        f"log-loss {loss:.4f}, calibration {calibration_error(told):.4f} "
        f"± {standard_error(told):.4f} (by chance {chance(told):.4f}), "
        f"said {said:.5f}, true {often:.5f} of {int(rare.sum())}"
    )


def calibration_error(told: Sequence[Hole]) -> float:
    """Return the expected error of what is said of hole pixels, over bins: of those said
    to be white with probability p, a share of p should be."""
    pixels = sum(len(each["p"]) for each in told)
    return float(abs(bins_apart(told).sum(0)).sum() / pixels)


def standard_error(told: Sequence[Hole]) -> float:
    """Return the standard error of the error of calibration, with whole holes resampled."""
    random = np.random.default_rng(0)
    apart = bins_apart(told)
    pixels = np.array([len(each["p"]) for each in told])
    found = []
    for _ in range(RESAMPLED):
        chosen = random.integers(len(told), size=len(told))
        found.append(abs(apart[chosen].sum(0)).sum() / pixels[chosen].sum())
    return float(np.std(found))


def chance(told: Sequence[Hole]) -> float:
    """Return the mean error of calibration of so many holes if every stated probability
    is right: in each bin the sum over holes of said minus true is then normal, with mean
    zero and a variance that is the sum of its squares."""
    spread = np.sqrt((bins_apart(told) ** 2).sum(0))
    pixels = sum(len(each["p"]) for each in told)
    return float(np.sqrt(2 / np.pi) * spread.sum() / pixels)


def bins_apart(told: Sequence[Hole]) -> NDArray[np.float64]:
    """Return the sums of said minus true (N, K) of each hole in each bin of what is said."""
    bins = len(EDGES) - 1
    found = np.zeros((len(told), bins))
    for row, each in zip(found, told, strict=True):
        p = np.asarray(each["p"])
        index = np.clip(np.searchsorted(EDGES, p, side="right") - 1, 0, bins - 1)
        row += np.bincount(index, p - np.asarray(each["w"]), bins)
    return found


def marginals(
    hole: Hole, of_predicted: float, of_passed: float, floor: float
) -> NDArray[np.float64]:
    """Return p(white) of each pixel of a hole with these weights."""
    drawn, sweeps, predicted, passed, passes = (
        np.array(hole[name])
        for name in ("drawn", "sweeps", "predicted", "passed", "passes")
    )
    # Where a chain that counts never drew a pixel, the prediction is all there is.
    of_predicted = max(of_predicted, 1e-9)
    shares = drawn + of_predicted * predicted + of_passed * passed
    shares /= sweeps + of_predicted + of_passed * (passes > 0)
    return (1 - floor) * shares + floor / 2


def further_holes(H: int, W: int, seed: int) -> dict[str, Keep]:
    """Twenty kinds beside those of completion.py, as keep (H, W), True = given."""
    y, x = np.mgrid[:H, :W]
    random = np.random.default_rng([20, seed])
    v, u = (y + 0.5) / H, (x + 0.5) / W
    radius = np.hypot(v - 0.5, u - 0.5)
    angle = np.arctan2(v - 0.5, u - 0.5)
    strokes = np.zeros((H, W), np.bool_)
    for _ in range(4):
        begin, end = random.uniform(0, 1, (2, 2))
        for share in np.linspace(0, 1, 60):
            at = begin + share * (end - begin)
            strokes |= (abs(v - at[0]) < 1.2 / H) & (abs(u - at[1]) < 1.2 / W)
    boxes = np.zeros((H, W), np.bool_)
    for _ in range(3):
        top, left = random.uniform(0, 0.75, 2)
        rows = (v >= top) & (v < top + 0.25)
        boxes |= rows & (u >= left) & (u < left + 0.25)
    direction = random.uniform(0, 2 * np.pi)
    salt = random.random((H, W)) < 0.3
    winding = (radius * 4 - angle / (2 * np.pi)) % 1
    wave = 0.5 + 0.15 * np.sin(2 * np.pi * (u * 1.5 + random.random()))
    across = (v - 0.5) * np.sin(direction) + (u - 0.5) * np.cos(direction)
    return {
        "third above": v < 1 / 3,
        "three quarters above": v < 3 / 4,
        "ring": ~((radius > 0.2) & (radius < 0.4)),
        "checkers 2 x 2": (y // 2 + x // 2) % 2 == 0,
        "lattice": (y % 3 == 0) & (x % 3 == 0),
        "triangle lower left given": v >= u,
        "triangle lower right given": v + u >= 1,
        "xor of halves": (v < 0.5) ^ (u < 0.5),
        "right and bottom edge given": (v >= 0.8) | (u >= 0.8),
        "strokes": ~strokes,
        "three boxes": ~boxes,
        "below a wave given": v >= wave,
        "border given": (v < 0.12) | (v >= 0.88) | (u < 0.12) | (u >= 0.88),
        "comb over lower half": (v < 0.5) | (x % 4 < 2),
        "salt of 30% in lower half": (v < 0.5) | ~salt,
        "spiral": winding < 0.5,
        "one row at 3/4": y == 3 * H // 4,
        "half plane": across > 0,
        "lower left quarter given": (v >= 0.5) & (u < 0.5),
        "X given": (abs(v - u) < 0.08) | (abs(v + u - 1) < 0.08),
    }


def small_holes(H: int, W: int, seed: int) -> dict[str, Keep]:
    """Squares of 9 to 49 pixels, and as many scattered ones, away from the edges."""
    random = np.random.default_rng([31, seed])
    found = dict[str, Keep]()
    for side in (3, 4, 5, 7):
        square = np.ones((H, W), np.bool_)
        top, left = random.integers(4, H - 4 - side), random.integers(4, W - 4 - side)
        square[top : top + side, left : left + side] = False
        found[f"square of {side * side}"] = square
        dots = np.ones((H - 12) * (W - 12), np.bool_)
        dots[random.choice(len(dots), side * side, replace=False)] = False
        scattered = np.ones((H, W), np.bool_)
        scattered[6:-6, 6:-6] = dots.reshape(H - 12, W - 12)
        found[f"{side * side} scattered"] = scattered
    return found


if __name__ == "__main__":
    main()
