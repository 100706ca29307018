"""How close completions come to draws from p(hole | everything given): writes sections of docs/completion.md.

    python benchmarks/completion.py --data PATH                          holes of mnist-diagonal-bilstm-x4
    python benchmarks/completion.py --data PLANS.npz --model maps        of another model
    python benchmarks/completion.py --data PATH --own                    of images that the model drew itself
    python benchmarks/completion.py --enumeration                        tiny images, against all outcomes
    python benchmarks/completion.py --data PATH --quick                  few images, nothing written
    python benchmarks/completion.py --data PATH --turns 4 --log FILE     a fourth of the kinds for each image
    python benchmarks/completion.py --data PATH --own --kind "upper half" --particles 128 --images 24 --quick
    python benchmarks/completion.py --words LOG...                       where the words would best part, by such logs

Each image gets a hole of each kind, completed once by the default settings. The nats of the completion are set beside
those of the image, under the whole model: a draw from the posterior is as likely on average. A model that has guides
completes each hole once without them, too. Hole pixels are binned by
the probability of white that the marginals give them: of those said to be white with probability p, a share of p should
be. enumeration: total variation between completions of a tiny image and the distribution of all outcomes of its hole.

One thread. --log FILE keeps what was measured of each completion, a line of JSON each, and goes on from there when it
is given again; limits of the words are chosen by such files. benchmarks/completion.json has the figures.
"""

import argparse
import itertools
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from page import machine, table, weights_of, write_section
from torch import Tensor

from model_core import complete, load_model, log_likelihood, sample, untrained
from model_core.data.datasets import read_dataset
from model_core.models import Member, Model
from model_core.networks.pixel_network import PixelNetwork
from model_core.orientation import turn
from model_core.posterior.completion import PARTICLES

FIGURES = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "completion.md"
EDGES = (0.0, 0.01, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 0.99, 1.0)
"""Edges of the bins of what is said of a pixel."""
COUNTED = 1.0, 1.5, 2.5, 4.0, 8.0, 16.0, 257.0
"""Edges of the bins of how many particles counted."""
WORDS = "exact", "good", "rough", "poor"
BY_CLAMP, WITHOUT = "clamp", "without guides"
ENUMERATION = "enumeration"

Keep = NDArray[np.bool_]
Facts = dict[str, Any]


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    if arguments.words:
        print("\n".join(words([json.loads(line) for log in arguments.words for line in log.read_text().splitlines()])))
        return
    found = {ENUMERATION: enumeration(arguments.islands)} if arguments.enumeration else measured(arguments)
    print(json.dumps(found), flush=True)
    if arguments.quick:
        return
    figures: Facts = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    FIGURES.write_text(json.dumps(figures | found, indent=1, sort_keys=True) + "\n")
    for name, facts in found.items():
        write_section(name, _lines(name, facts), PAGE)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="mnist-diagonal-bilstm-x4")
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--first", type=int, default=0, help="Image to begin with: several can be measured at once.")
    parser.add_argument("--images", type=int, help="[default: 100, or 2 with --quick]")
    parser.add_argument(
        "--turns", type=int, default=1, help="Kinds of hole that take turns: each image gets one of them."
    )
    parser.add_argument("--kind", help="One kind of hole, and no other.")
    parser.add_argument("--particles", type=int, default=PARTICLES)
    parser.add_argument("--own", action="store_true")
    parser.add_argument("--enumeration", action="store_true")
    parser.add_argument("--islands", type=int, default=20_000)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--words", type=Path, nargs="+")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.islands = 100
    arguments.images = arguments.images or (2 if arguments.quick else 100)
    if not (arguments.enumeration or arguments.words or arguments.own) and arguments.data is None:
        parser.error("--data: expected the images that the model was made for")
    return arguments


def measured(arguments: argparse.Namespace) -> Facts:
    """Every completion that was asked for, or the log already has, summed up under the model's name."""
    model = load_model(arguments.model, models_dir=arguments.models_dir)
    name = f"{model.card.name}, its own" if arguments.own else model.card.name
    log: Path | None = arguments.log
    records = [json.loads(line) for line in log.read_text().splitlines()] if log and log.exists() else []
    done = {(record["kind"], record["i"]) for record in records}
    for record in completions(model, images_of(model, arguments), arguments, done):
        records.append(record)
        if log:
            with log.open("a") as file:
                file.write(json.dumps(record) + "\n")
    facts = {"model": model.card.name, "sha256": model.card.sha256, "machine": machine()}
    return {name: {**facts, "kinds": summed_up(records), "bins": binned(records)}}


def images_of(model: Model, arguments: argparse.Namespace) -> Tensor:
    """Test images (N, C, H, W) in a fixed order at random, or the model's own samples."""
    if arguments.own:
        return sample(model, arguments.images, seed=2016)
    values = read_dataset(arguments.data, "test", model.config)
    order = np.random.default_rng(777).permutation(len(values))
    return torch.from_numpy(values[order[: arguments.images]].astype(np.int64))


def completions(
    model: Model, images: Tensor, arguments: argparse.Namespace, done: set[tuple[str, int]]
) -> Iterator[Facts]:
    """Measure each completion that is not done, from image `first` on; each image gets one kind in so many turns."""
    for i, image in enumerate(images[arguments.first :], arguments.first):
        real = -float(log_likelihood(model, image[None])[0])
        for at, (kind, keep) in enumerate(holes(images[i - 1], i).items()):
            asked = arguments.kind in (None, kind) and (at + i) % arguments.turns == 0
            if asked and (kind, i) not in done:
                yield {"kind": kind, "i": i, "real": real, **completed(model, image, keep, i, arguments.particles)}


def completed(model: Model, image: Tensor, keep: Keep, i: int, particles: int) -> Facts:
    """One completion by the default settings, or with so many particles; where it is not exact, also one by clamp."""
    given, began = torch.from_numpy(np.ascontiguousarray(keep)), time.process_time()
    done = complete(model, image, given, n=1, seed=i, particles=particles)
    seconds = time.process_time() - began
    clamped = complete(model, image, given, n=1, seed=i, method="clamp")
    assert done.mean is not None
    facts = {
        **done.receipt.to_dict(),
        "s": seconds,
        "clamp_nats": -float(log_likelihood(model, clamped.values)[0]),
        "hole": int((~keep).sum()),
    }
    if model.guides:
        plain, began = replace(model, guides=()), time.process_time()
        without = complete(plain, image, given, n=1, seed=i, particles=particles).receipt
        facts |= {f"plain_{name}": value for name, value in without.to_dict().items()}
        facts["plain_s"] = time.process_time() - began
    if model.config.values == 2:
        facts |= {"p": done.mean[0, ~given].numpy().round(4).tolist(), "w": image[0, ~given].tolist()}
    return facts


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


def _blob(y: NDArray[np.int64], x: NDArray[np.int64], H: int, W: int, random: np.random.Generator) -> Keep:
    """A smooth shape somewhere near the middle."""
    (top, left), phases = random.uniform(0.3, 0.7, 2) * (H, W), random.uniform(0, 2 * np.pi, 2)
    angle = np.arctan2(y - top, x - left)
    radius = (0.28 + 0.06 * np.cos(2 * angle + phases[0]) + 0.05 * np.cos(3 * angle + phases[1])) * H
    return np.hypot(y - top, x - left) < radius


def _stroke_box(image: NDArray[np.int64]) -> Keep:
    """The bounding box of the ink in the image's upper right quarter; its middle where there is none."""
    H, W = image.shape
    ink = np.argwhere(image[: H // 2, W // 2 :] > 0)
    box = np.zeros((H, W), bool)
    top, left, bottom, right = (*ink.min(0), *ink.max(0)) if len(ink) else (H // 4, 0, H // 2 - 1, W // 4)
    box[top : bottom + 1, W // 2 + left : W // 2 + right + 1] = True
    return box


def summed_up(records: Sequence[Facts]) -> Facts:
    """Gaps of each kind of hole, of all, and of each word of the receipt."""
    groups = {kind: [each for each in records if each["kind"] == kind] for kind in _in_order(records, "kind")}
    groups |= {word: [each for each in records if each["quality"] == word] for word in WORDS}
    groups["all"] = list(records)
    groups["all but poor"] = [each for each in records if each["quality"] != "poor"]
    return {name: _summary(group) for name, group in groups.items() if group}


def _in_order(records: Sequence[Facts], key: str) -> list[str]:
    return list(dict.fromkeys(record[key] for record in records))


def _summary(group: Sequence[Facts]) -> Facts:
    facts: Facts = {"holes": len(group), "seconds": float(np.mean([each["s"] for each in group]))}
    facts["poor"] = sum(each["quality"] == "poor" for each in group) / len(group)
    pairs = {"posterior": [each["nats"][0] - each["real"] for each in group]}
    pairs[BY_CLAMP] = [each["clamp_nats"] - each["real"] for each in group if "clamp_nats" in each]
    pairs[WITHOUT] = [each["plain_nats"][0] - each["real"] for each in group if "plain_nats" in each]
    counted = [each["ess"] for each in group if each["ess"] is not None]
    facts |= {"ess": float(np.median(counted))} if counted else {}
    sure = [each["nats"][0] - each["real"] for each in group if each["quality"] != "poor"]
    pairs["not poor"] = sure
    for name, gaps in pairs.items():
        if gaps:
            facts[name] = [float(np.mean(gaps)), float(np.std(gaps) / max(1, len(gaps) - 1) ** 0.5)]
    return facts


def binned(records: Sequence[Facts]) -> Facts:
    """Said, true and how many, for each bin, and the expected error of calibration; empty where values are many."""
    told = [record for record in records if "p" in record]
    if not told:
        return {}
    p = np.concatenate([record["p"] for record in told])
    white = np.concatenate([record["w"] for record in told])
    index = np.clip(np.searchsorted(EDGES, p, side="right") - 1, 0, len(EDGES) - 2)
    count = np.bincount(index, minlength=len(EDGES) - 1)
    said, true = (np.bincount(index, each, len(EDGES) - 1) / np.maximum(count, 1) for each in (p, white))
    error = float((abs(said - true) * count).sum() / count.sum())
    return {"said": said.tolist(), "white": true.tolist(), "count": count.tolist(), "error": error}


def words(records: Sequence[Facts]) -> list[str]:
    """A table: gaps of completions by particles by what counted (`ess`), of even images and of odd ones: limits of
    words that are chosen by one half are checked by the other."""
    told = [record for record in records if record["ess"] is not None and record["quality"] != "poor"]
    rows = []
    for low, high in itertools.pairwise(COUNTED):
        halves = [[each for each in told if low <= each["ess"] < high and each["i"] % 2 == half] for half in (0, 1)]
        gaps = [_summary(half) if half else {} for half in halves]
        cells = [f"{_gap(each.get('posterior'))} ({len(half)})" for each, half in zip(gaps, halves, strict=True)]
        rows.append([f"{low:g} to {high:g}", *cells])
    return table(["ess", "even images", "odd images"], rows)


def enumeration(islands: int) -> Facts:
    """Total variation to the exact posterior of a 3 x 3 image with a hole of five pixels: each network, and a mixture
    of two orientations of each, at two temperatures."""
    keep = np.array([[1, 0, 1], [0, 0, 0], [1, 0, 1]], bool)
    found: Facts = {}
    for preset, temperature in itertools.product(
        ("mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"), (1.0, 0.7)
    ):
        for name, model in (("one network", _tiny(preset, 1)), ("two members", _tiny(preset, 2))):
            known = torch.from_numpy(np.random.default_rng(1).integers(0, 2, (1, 3, 3)))
            done = complete(model, known, torch.from_numpy(keep), islands, 1, temperature, particles=8, sweeps=2)
            places = 2 ** torch.arange(5)
            drawn = torch.bincount((done.values[:, 0, torch.from_numpy(~keep)] * places).sum(1), minlength=32)
            exact = _outcomes(model, known, keep, temperature)
            variation = float((drawn.double() / islands - exact).abs().sum() / 2)
            noise = float((2 * exact * (1 - exact) / (np.pi * islands)).sqrt().sum() / 2)
            found[f"{preset}, {name}/{temperature}"] = {"variation": variation, "noise": noise}
    return {"islands": islands, "machine": machine(), "cells": found}


def _tiny(preset: str, members: int) -> Model:
    """Random weights that make a difference: biases are zero at first, and the hole would hardly matter."""
    models = [untrained(preset, seed=1 + k, layers=2, hidden=6, head=6, height=3, width=3) for k in range(members)]
    for k, model in enumerate(models):
        generator = torch.Generator().manual_seed(1 + k)
        for parameter in model.network.parameters():
            if parameter.dim() == 1:
                parameter.add_(0.6 * torch.randn(parameter.shape, generator=generator))
    names = "none", "rotate_180"
    return Model(tuple(Member(each.network, name) for each, name in zip(models, names, strict=False)), models[0].card)


def _outcomes(model: Model, known: Tensor, keep: Keep, temperature: float) -> Tensor:
    """(32,) p(outcome | given), the first hole pixel being the lowest bit."""
    images = known.repeat(32, 1, 1, 1)
    images[:, 0, torch.from_numpy(~keep)] = (torch.arange(32)[:, None] >> torch.arange(5)) & 1
    joint = torch.zeros(32, dtype=torch.float64)
    for member in model.members:
        assert isinstance(member.network, PixelNetwork)
        turned = turn(images, member.orientation)
        with torch.inference_mode():
            log_p = torch.log_softmax(member.network(turned).double() / temperature, 1).gather(1, turned[:, None])
        joint += log_p.sum((1, 2, 3, 4)).exp()
    return joint / joint.sum()


def _lines(name: str, facts: Facts) -> list[str]:
    """One section of the page."""
    return _enumeration_lines(facts) if name == ENUMERATION else _hole_lines(facts)


def _hole_lines(facts: Facts) -> list[str]:
    is_guided = any(WITHOUT in cell for cell in facts["kinds"].values())
    columns = [BY_CLAMP, *([WITHOUT] if is_guided else []), "posterior", "not poor"]
    titles = ["without the poor" if column == "not poor" else column for column in columns]
    header = ["hole", "holes", *titles, "poor", "ess", "processor seconds"]
    rows = [
        [
            name,
            f"{cell['holes']:,}",
            *(_gap(cell.get(column)) for column in columns),
            f"{cell['poor']:.0%}",
            f"{cell['ess']:.1f}" if "ess" in cell else "–",
            f"{cell['seconds']:.2f}",
        ]
        for name, cell in facts["kinds"].items()
    ]
    lines = [
        f"{weights_of(facts['model'], facts['sha256'])}; {facts['machine']}, one thread.",
        "",
        *table(header, rows),
    ]
    return [*lines, "", *_calibration_lines(facts["bins"])] if facts["bins"] else lines


def _gap(cell: Sequence[float] | None) -> str:
    return "–" if cell is None else f"{cell[0]:+.1f} ± {cell[1]:.1f}"


def _calibration_lines(bins: Facts) -> list[str]:
    counted = zip(bins["said"], bins["white"], bins["count"], strict=True)
    rows = [[f"{p:.3f}", f"{share:.3f}", f"{n:,}"] for p, share, n in counted if n]
    head = f"Hole pixels, binned by the probability of white; expected error of calibration {bins['error']:.3f}."
    return [head, "", *table(["said", "white", "pixels"], rows)]


def _enumeration_lines(facts: Facts) -> list[str]:
    rows = [
        [*key.split("/"), f"{cell['variation']:.4f}", f"{cell['noise']:.4f}"] for key, cell in facts["cells"].items()
    ]
    header = ["network", "temperature", "total variation", "of exact draws, expected"]
    return [f"{facts['islands']:,} images of 8 particles, two rounds; {facts['machine']}.", "", *table(header, rows)]


if __name__ == "__main__":
    main()
