"""How close completions come to draws from p(hole | everything given): writes sections of docs/internals/posterior.md.

    python benchmarks/completion.py --own --turns 18 --images 180 --log FILE    images that the models drew themselves
    python benchmarks/completion.py --data PATH --model NAME                    test images
    python benchmarks/completion.py --own --model NAME --kind "upper half" --particles 128 --images 24 --quick
    python benchmarks/completion.py --words LOG...                              where the words would best part

Holes of eighteen kinds take so many turns; each is completed once by the default settings, and without guides, too,
where one takes part. The nats of the completion are set beside the mean of 32 other draws where these are exact, else
beside those of the image, which of a model's own is a draw from the posterior, too.

One thread. --log FILE keeps what was measured of each completion, a line of JSON each, and goes on from there when it
is given again; limits of the words are chosen by such files. --quick writes nothing else; completion.json has the
figures.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sections import machine, table, weights_of, write_section
from torch import Tensor

from model_core import complete, load_model, log_likelihood, sample
from model_core.data.datasets import read_dataset
from model_core.models import Model
from model_core.posterior.completion import PARTICLES
from model_core.posterior.islands import mixture_and_starts
from model_core.posterior.particles import StageParticles
from model_core.posterior.targets import Target

FIGURES = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "internals" / "posterior.md"
COUNTED = 1.0, 1.5, 2.5, 4.0, 8.0, 16.0, 257.0
"""Edges of the bins of how many particles counted."""
SERVED = [
    *(
        "mnist-row-lstm",
        "mnist-pixelcnn",
        "mnist-diagonal-bilstm",
        "mnist-diagonal-bilstm-x4",
        "mnist-labelled",
    ),
    *("characters", "maps"),
]
WORDS = "exact", "good", "rough", "poor"
OWN, TEST = "own", "test"
DRAWS = 32
"""Draws that say how many nats are to be expected."""

FEW = 10
"""A guide is shown with kinds of hole of which it had at least so many."""
Keep = NDArray[np.bool_]
Facts = dict[str, Any]


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    if arguments.words:
        print(
            "\n".join(
                words(
                    [
                        json.loads(line)
                        for log in arguments.words
                        for line in log.read_text().splitlines()
                    ]
                )
            )
        )
        return
    found = measured(arguments)
    print(json.dumps(found), flush=True)
    if arguments.quick:
        return
    figures: Facts = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for name, models in found.items():
        together = figures.get(name, {}) | models
        figures[name] = {
            each: together[each] for each in (*SERVED, *together) if each in together
        }
        write_section(name, _hole_lines(figures[name]), PAGE)
    FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", nargs="+", default=SERVED)
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument(
        "--first",
        type=int,
        default=0,
        help="Image to begin with: several can be measured at once.",
    )
    parser.add_argument("--images", type=int, help="[default: 100, or 2 with --quick]")
    parser.add_argument(
        "--turns",
        type=int,
        default=1,
        help="Kinds of hole that take turns: each image gets one of them.",
    )
    parser.add_argument("--kind", help="One kind of hole, and no other.")
    parser.add_argument("--particles", type=int, default=PARTICLES)
    parser.add_argument("--own", action="store_true")
    parser.add_argument("--log", type=Path)
    parser.add_argument("--words", type=Path, nargs="+")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    arguments.images = arguments.images or (2 if arguments.quick else 100)
    if not (arguments.words or arguments.own) and arguments.data is None:
        parser.error("--data: expected the images that the model was made for")
    return arguments


def measured(arguments: argparse.Namespace) -> Facts:
    """Every completion that was asked for, or the log already has, summed up by model: others' columns stay."""
    models = [
        load_model(name, models_dir=arguments.models_dir) for name in arguments.model
    ]
    log: Path | None = arguments.log
    records = (
        [json.loads(line) for line in log.read_text().splitlines()]
        if log and log.exists()
        else []
    )
    done = {(record["model"], record["kind"], record["i"]) for record in records}
    for record in completions(
        [(model, images_of(model, arguments)) for model in models], arguments, done
    ):
        records.append(record)
        if log:
            with log.open("a") as file:
                file.write(json.dumps(record) + "\n")
    by_model = {}
    for card in (model.card for model in models):
        facts = summed_up([each for each in records if each["model"] == card.name])
        by_model[card.name] = {
            "weights": weights_of(card.name, card.sha256),
            "machine": machine(),
            "holes": facts,
        }
    return {OWN if arguments.own else TEST: by_model}


def images_of(model: Model, arguments: argparse.Namespace) -> Callable[[int], Tensor]:
    """Image i (C, H, W): of the model's own samples, or of test images in a fixed order at random."""
    if arguments.own:
        return lru_cache(2)(lambda i: sample(model, 1, seed=2016, first=i)[0])
    values = read_dataset(arguments.data, "test", model.config)
    order = np.random.default_rng(777).permutation(len(values))
    return lambda i: torch.from_numpy(values[order[i % len(order)]].astype(np.int64))


def completions(
    models: Sequence[tuple[Model, Callable[[int], Tensor]]],
    arguments: argparse.Namespace,
    done: set[tuple[str, str, int]],
) -> Iterator[Facts]:
    """Measure each completion that is not done, from image `first` on: an image of each model gets one kind in so many
    turns, so that all have as many whenever this ends."""
    for i in range(arguments.first, arguments.images):
        for model, image_of in models:
            for at, kind in enumerate(KINDS):
                asked = (
                    arguments.kind in (None, kind) and (at + i) % arguments.turns == 0
                )
                if asked and (model.card.name, kind, i) not in done:
                    keep = holes(image_of(i + 1), i)[kind]
                    yield {
                        "model": model.card.name,
                        "kind": kind,
                        "i": i,
                        **completed(model, image_of(i), keep, i, arguments),
                    }


def completed(
    model: Model, image: Tensor, keep: Keep, i: int, arguments: argparse.Namespace
) -> Facts:
    """One completion by the default settings, or with so many particles; where a guide takes part, one without, too."""
    given, facts = torch.from_numpy(np.ascontiguousarray(keep)), Facts()
    facts["real"] = -float(log_likelihood(model, image[None])[0])
    facts["expected"] = expected_nats(model, image, given, i)
    target = Target.of(model, image.numpy(), given.numpy(), 1.0)
    mixture, _ = mixture_and_starts(target, 1, lru_cache(16)(StageParticles))
    guided = bool(mixture.guides)
    for name, each in (("", model), ("plain_", replace(model, guides=())))[
        : 1 + guided
    ]:
        began = time.process_time()
        done = complete(each, image, given, n=1, seed=i, particles=arguments.particles)
        facts |= {
            f"{name}{key}": value for key, value in done.receipt.to_dict().items()
        }
        facts[f"{name}s"] = time.process_time() - began
    return facts


def expected_nats(model: Model, image: Tensor, given: Tensor, i: int) -> float | None:
    """The mean nats of other draws from the posterior, where they are exact; weighed ones may miss what is likely, and
    all count."""
    if Target.of(model, image.numpy(), given.numpy(), 1.0).needs_particles:
        return None
    return -float(
        log_likelihood(model, sample(model, DRAWS, i + 1, 1.0, image, given)).mean()
    )


def holes(other: Tensor, seed: int) -> dict[str, Keep]:
    """Eighteen kinds, as keep (H, W), True = given. Some depend on the seed, one on another image (C, H, W): a hole
    that follows the image itself would say something of what it hides."""
    _, H, W = other.shape
    y, x = np.mgrid[:H, :W]
    random, unit = np.random.default_rng([9, seed]), H / 28
    middle = (abs(y - (H - 1) / 2) < 6 * unit) & (abs(x - (W - 1) / 2) < 6 * unit)
    around = (abs(y - (H - 1) / 2) < 10 * unit) & (abs(x - (W - 1) / 2) < 10 * unit)
    blob = _blob(y, x, H, W, random)
    return {
        "lower half": y < H // 2,
        "upper half": y >= H // 2,
        "left half": x >= W // 2,
        "centre": ~middle,
        "random half of the pixels": random.random((H, W)) < 0.5,
        "box around a stroke of another": ~_stroke_box(other[0].numpy()),
        "frame around the centre": ~around | middle,
        "columns": x % 8 < 4,
        "L": (y < H // 2) & (x >= W // 2),
        "diagonal band": abs(y - x) >= 5 * unit,
        "disc": np.hypot(y - (H - 1) / 2, x - (W - 1) / 2) >= 8 * unit,
        "stripes": y % 6 >= 3,
        "letterbox": (y >= H // 4) & (y < H - H // 4),
        "blob": ~blob,
        "salt of 90%": random.random((H, W)) >= 0.9,
        "all but one column": x == W // 2,
        "two rows given": abs(y - (H - 1) / 2) < 1,
        "lower right quarter given": (y >= H // 2) & (x >= W // 2),
    }


def _blob(
    y: NDArray[np.int64],
    x: NDArray[np.int64],
    H: int,
    W: int,
    random: np.random.Generator,
) -> Keep:
    """A smooth shape somewhere near the middle."""
    (top, left), phases = (
        random.uniform(0.3, 0.7, 2) * (H, W),
        random.uniform(0, 2 * np.pi, 2),
    )
    angle = np.arctan2(y - top, x - left)
    radius = (
        0.28
        + 0.06 * np.cos(2 * angle + phases[0])
        + 0.05 * np.cos(3 * angle + phases[1])
    ) * H
    return np.hypot(y - top, x - left) < radius


def _stroke_box(image: NDArray[np.int64]) -> Keep:
    """The bounding box of the ink in the image's upper right quarter; its middle where there is none."""
    H, W = image.shape
    ink = np.argwhere(image[: H // 2, W // 2 :] > 0)
    box = np.zeros((H, W), bool)
    top, left, bottom, right = (
        (*ink.min(0), *ink.max(0)) if len(ink) else (H // 4, 0, H // 2 - 1, W // 4)
    )
    box[top : bottom + 1, W // 2 + left : W // 2 + right + 1] = True
    return box


KINDS = tuple(holes(torch.zeros((1, 28, 28), dtype=torch.int64), 0))


def gap(record: Facts, of: str = "") -> float:
    """Nats of a completion minus those that are expected, or else those of the image that it replaces."""
    return record[f"{of}nats"][0] - (record["expected"] or record["real"])


def summed_up(records: Sequence[Facts]) -> Facts:
    """Gaps of each kind of hole, of each word of the receipt, and of all."""
    groups = {
        kind: [each for each in records if each["kind"] == kind] for kind in KINDS
    }
    groups |= {
        word: [each for each in records if each["quality"] == word] for word in WORDS
    }
    groups |= {
        "all": list(records),
        "all but poor": [each for each in records if each["quality"] != "poor"],
    }
    return {name: _summary(group) for name, group in groups.items() if group}


def _summary(group: Sequence[Facts]) -> Facts:
    guided = [each for each in group if "plain_nats" in each]
    facts = {
        "gap": _mean([gap(each) for each in group]),
        "seconds": float(np.mean([each["s"] for each in group])),
    }
    if guided:
        facts |= {
            f"{of or 'guided_'}gap": _mean([gap(each, of) for each in guided])
            for of in ("", "plain_")
        }
        facts |= {"guided_seconds": float(np.mean([each["s"] for each in guided]))}
        facts |= {"guided_ess": float(np.median([each["ess"] for each in guided]))}
    return facts


def _mean(gaps: Sequence[float]) -> tuple[float, float, int]:
    """The mean, its standard error, and of how many."""
    return (
        float(np.mean(gaps or 0)),
        float(np.std(gaps or 0) / max(1, len(gaps) - 1) ** 0.5),
        len(gaps),
    )


def words(records: Sequence[Facts]) -> list[str]:
    """A table: gaps of completions by particles by what counted (`ess`) and by word, of the first, third, ... image of
    each kind and of the others: limits that are chosen by one half are checked by the other."""
    told = [
        record
        for record in records
        if record["ess"] is not None and record["quality"] != "poor"
    ]
    groups = {
        f"ess {low:g} to {high:g}": [each for each in told if low <= each["ess"] < high]
        for low, high in itertools.pairwise(COUNTED)
    }
    groups |= {
        word: [each for each in records if each["quality"] == word] for word in WORDS
    }
    rows = []
    for name, group in groups.items():
        halves = [
            [gap(each) for each in group if each["i"] // len(KINDS) % 2 == half]
            for half in (0, 1)
        ]
        rows.append([name, *(_cell(_mean(half)) for half in halves)])
    return table(["completions", "one half", "the other"], rows)


def _hole_lines(columns: Facts) -> list[str]:
    models = {name: column["holes"] for name, column in columns.items()}
    machines = dict.fromkeys(column["machine"] for column in columns.values())
    weights = {
        each: [of["weights"] for of in columns.values() if of["machine"] == each]
        for each in machines
    }
    kinds = [
        [
            kind,
            *(
                _cell(cells.get(kind, {}).get("gap"), counted=False)
                for cells in models.values()
            ),
        ]
        for kind in (*KINDS, "all", "all but poor")
    ]
    told = [
        [
            name,
            *(_cell(cells.get(word, {}).get("gap")) for word in WORDS),
            f"{cells['all']['seconds']:.2f}",
        ]
        for name, cells in models.items()
    ]
    guided = [
        [
            f"{name}, {kind}",
            *(_cell(cell[each]) for each in ("plain_gap", "guided_gap")),
            f"{cell['guided_ess']:.1f}",
            f"{cell['guided_seconds']:.2f}",
        ]
        for name, cells in models.items()
        for kind, cell in cells.items()
        if kind in KINDS and "guided_gap" in cell and cell["guided_gap"][2] >= FEW
    ]
    return [
        " ".join(
            f"{', '.join(weights[each])}; {each}, one thread." for each in machines
        ),
        "",
        *table(["hole", *models], kinds),
        "",
        *table(["model", *WORDS, "processor seconds"], told),
        "",
        *table(
            ["with a guide", "without", "with", "`ess`, median", "processor seconds"],
            guided,
        ),
    ]


def _cell(found: Sequence[float] | None, counted: bool = True) -> str:
    if not found or not found[2]:
        return "–"
    error = f"{found[0]:+.1f} ± {found[1]:.1f}"
    return f"{error} ({found[2]})" if counted else error


if __name__ == "__main__":
    main()
