"""How close completions come to draws from p(hole | everything given): writes sections of docs/completion.md.

    python benchmarks/completion.py --data PATH                  every part; about an hour on an idle core
    python benchmarks/completion.py --data PATH --part gaps      one part; the others stay as they are, and so do the
                                                                 settings that --settings does not name
    python benchmarks/completion.py --data PATH --quick          few images, nothing written

gaps: test images with a hole are completed, and the nats of what was drawn are set beside those of the real images. A
draw from the posterior is as likely on average. own: the same with images that the model drew itself, where the gap
must be zero. calibration: of hole pixels that are said to be white with probability p, a share of p should be (64
particles, no sweeps). enumeration: total variation between 20,000 completions of a tiny image (64 particles,
no sweeps) and the distribution of all outcomes of its hole.

One thread. The figures are kept in benchmarks/completion.json.
"""

import argparse
import itertools
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from page import machine, table, weights_of, write_section
from torch import Tensor

from model_core import complete, load_model, sample, untrained
from model_core.data.datasets import read_dataset
from model_core.data.splits import spread
from model_core.measures.likelihood import nats_per_image
from model_core.models import Model
from model_core.networks.pixel_network import PixelNetwork
from model_core.orientation import Orientation, turn
from model_core.posterior.plan import best_member

FIGURES = Path(__file__).with_suffix(".json")
PAGE = Path(__file__).parents[1] / "docs" / "completion.md"
PLOT = PAGE.parent / "img" / "completion-calibration.svg"
USUAL = "32, 2 sweeps"
"""Name of the setting that is taken when nothing is asked for."""
SETTINGS: dict[str, dict[str, Any]] = {
    "clamp": {"method": "clamp"},
    USUAL: {"particles": 32, "sweeps": 2},
    "32, no sweeps": {"particles": 32, "sweeps": 0},
    "256, no sweeps": {"particles": 256, "sweeps": 0},
}
BINS = 10
PRESETS = ("mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm")

Keep = NDArray[np.bool_]
Facts = dict[str, Any]


def main() -> None:
    arguments = _arguments()
    torch.set_num_threads(1)
    model = load_model(arguments.model, models_dir=arguments.models_dir)
    parts: dict[str, Callable[[], Facts]] = {
        "gaps": lambda: gaps(model, [real_images(model, arguments)] * len(model.members), arguments),
        "own": lambda: gaps(model, own_images(model, arguments), arguments),
        "calibration": lambda: calibration(model, real_images(model, arguments)),
        "enumeration": lambda: enumeration(arguments.islands),
    }
    for name in arguments.part or parts:
        started = time.perf_counter()
        found = {**parts[name](), "machine": machine(), "minutes": (time.perf_counter() - started) / 60}
        figures: dict[str, Facts] = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
        kept = figures.get(name, {}).get("cells", {})
        figures[name] = {**found, "cells": {**kept, **found["cells"]}} if kept else found
        print(json.dumps({name: figures[name]}), flush=True)
        if not arguments.quick:
            FIGURES.write_text(json.dumps(figures, indent=1, sort_keys=True) + "\n")
            publish(name, figures[name])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--model", default="mnist-diagonal-bilstm-x4")
    parser.add_argument("--models-dir", type=Path)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--part", action="append", choices=("gaps", "own", "calibration", "enumeration"))
    parser.add_argument("--images", type=int, default=200)
    parser.add_argument("--islands", type=int, default=20_000)
    parser.add_argument("--settings", nargs="*", default=list(SETTINGS), choices=list(SETTINGS))
    parser.add_argument("--family", action="append", help="Only this family of holes; the others stay as they are.")
    parser.add_argument("--quick", action="store_true")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.images, arguments.islands = 4, 200
    return arguments


def real_images(model: Model, arguments: argparse.Namespace) -> Tensor:
    """Test images (N, C, H, W), spread over the split."""
    values = spread(read_dataset(arguments.data, "test", model.config), arguments.images)
    return torch.from_numpy(values.astype(np.int64))


def own_images(model: Model, arguments: argparse.Namespace) -> list[Tensor]:
    """Images (N, C, H, W) that each member drew by itself, as many as are asked for."""
    alone = [Model((member,), model.card, model.device) for member in model.members]
    return [sample(each, arguments.images, seed=2016) for each in alone]


def holes(other: Tensor, seed: int) -> dict[str, Keep]:
    """Eight families, as keep (H, W), True = given. One of them depends on the seed, one on another image (C, H, W): a
    hole that follows the image itself would say something of what it hides."""
    _, H, W = other.shape
    y, x = np.mgrid[:H, :W]
    middle = (abs(y - (H - 1) / 2) < 6 * H / 28) & (abs(x - (W - 1) / 2) < 6 * W / 28)
    around = (abs(y - (H - 1) / 2) < 10 * H / 28) & (abs(x - (W - 1) / 2) < 10 * W / 28)
    return {
        "lower half": y < H // 2,
        "upper half": y >= H // 2,
        "left half": x >= W // 2,
        "centre": ~middle,
        "random half of the pixels": np.random.default_rng(seed).random((H, W)) < 0.5,
        "box around a stroke of another": ~_stroke_box(other[0].numpy()),
        "frame around the centre": ~around | middle,
        "columns": x % 8 < 4,
    }


def _stroke_box(image: NDArray[np.int64]) -> Keep:
    """The bounding box of the ink in the image's upper right quarter; its middle where there is none."""
    H, W = image.shape
    ink = np.argwhere(image[: H // 2, W // 2 :] > 0)
    box = np.zeros((H, W), bool)
    top, left, bottom, right = (*ink.min(0), *ink.max(0)) if len(ink) else (H // 4, 0, H // 2 - 1, W // 4)
    box[top : bottom + 1, W // 2 + left : W // 2 + right + 1] = True
    return box


def gaps(model: Model, images: list[Tensor], arguments: argparse.Namespace) -> Facts:
    """Gaps of each family and setting: mean nats of the completed image minus those of the original, paired, under the
    member that drew; images (N, C, H, W) for each member."""
    found: Facts = {}
    orientations: list[Orientation] = [member.orientation for member in model.members]
    for family in arguments.family or holes(images[0][0], 0):
        for setting in arguments.settings:
            started, pairs, ess = time.process_time(), [], []
            for i in range(len(images[0])):
                keep = np.ascontiguousarray(holes(images[0][i - 1], i)[family])
                k = 0 if setting == "clamp" else best_member(keep, orientations)
                image = images[k][i]
                done = complete(model, image, torch.from_numpy(keep), n=1, seed=i, **SETTINGS[setting])
                pairs.append(_nats(model, done.member, done.values) - _nats(model, done.member, image[None]))
                ess.append(done.ess)
            differences = torch.cat(pairs).double()
            found[f"{family}/{setting}"] = {
                "gap": float(differences.mean()),
                "error": float(differences.std() / len(differences) ** 0.5),
                "ess": float(np.median([each for each in ess if each is not None])) if any(ess) else None,
                "seconds": (time.process_time() - started) / len(pairs),
                "images": len(pairs),
            }
            print(family, setting, found[f"{family}/{setting}"], flush=True)
    return {"model": model.card.name, "sha256": model.card.sha256, "cells": found}


def _nats(model: Model, orientation: str, values: Tensor) -> Tensor:
    member = next(member for member in model.members if member.orientation == orientation)
    with torch.inference_mode():
        return nats_per_image(member.network, turn(values, member.orientation))


def calibration(model: Model, images: Tensor) -> Facts:
    """Hole pixels binned by the probability of white that the marginals give them, against the share that is white."""
    said, true = [], []
    for i, image in enumerate(images):
        for family in ("centre", "left half", "random half of the pixels", "columns"):
            keep = torch.from_numpy(np.ascontiguousarray(holes(images[i - 1], i)[family]))
            done = complete(model, image, keep, n=4, seed=i, particles=64, sweeps=0)
            assert done.mean is not None
            said.append(done.mean[0, ~keep])
            true.append(image[0, ~keep].double())
    p, white = torch.cat(said).numpy(), torch.cat(true).numpy()
    index = np.minimum((p * BINS).astype(int), BINS - 1)
    count = np.bincount(index, minlength=BINS)
    means = [np.bincount(index, each, BINS) / np.maximum(count, 1) for each in (p, white)]
    return {
        "model": model.card.name,
        "pixels": len(p),
        "count": count.tolist(),
        "said": means[0].tolist(),
        "white": means[1].tolist(),
    }


def enumeration(islands: int) -> Facts:
    """Total variation to the exact posterior, of each network on a 4 x 4 image with a hole of four pixels, twice."""
    keep = np.ones((4, 4), bool)
    keep[1:3, 1:3] = False
    found: Facts = {}
    for preset, temperature in itertools.product(
        ("mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"), (1.0, 0.7)
    ):
        model = untrained(preset, seed=1, layers=2, hidden=6, head=6, height=4, width=4)
        generator = torch.Generator().manual_seed(1)
        for parameter in model.network.parameters():
            if parameter.dim() == 1:  # biases are zero at first, and the hole would hardly matter to what is given
                parameter.add_(0.6 * torch.randn(parameter.shape, generator=generator))
        known = torch.from_numpy(np.random.default_rng(1).integers(0, 2, (1, 4, 4)))
        done = complete(model, known, torch.from_numpy(keep), islands, 1, temperature, particles=64, sweeps=0)
        places = 2 ** torch.arange(4)
        drawn = (
            torch.bincount((done.values[:, 0, torch.from_numpy(~keep)] * places).sum(1), minlength=16).double()
            / islands
        )
        exact = _outcomes(model, known, keep, temperature)
        found[f"{preset}/{temperature}"] = {"variation": float((drawn - exact).abs().sum() / 2)}
    return {"islands": islands, "cells": found}


def _outcomes(model: Model, known: Tensor, keep: Keep, temperature: float) -> Tensor:
    """(16,) p(outcome | given), the first hole pixel being the lowest bit."""
    assert isinstance(model.network, PixelNetwork)
    images = known.repeat(16, 1, 1, 1)
    images[:, 0, torch.from_numpy(~keep)] = (torch.arange(16)[:, None] >> torch.arange(4)) & 1
    with torch.inference_mode():
        log_p = torch.log_softmax(model.network(images).double() / temperature, 1).gather(1, images[:, None])
    return log_p.sum((1, 2, 3, 4)).softmax(0)


def publish(name: str, facts: Facts) -> None:
    """Write one part's section of the page."""
    write_section(name, _SECTIONS[name](facts), PAGE)


def _gap_table(facts: Facts) -> list[str]:
    cells = facts["cells"]
    families = list(dict.fromkeys(key.split("/")[0] for key in cells))
    settings = [setting for setting in SETTINGS if f"{families[0]}/{setting}" in cells]
    counts = [cells[f"{families[0]}/{setting}"]["images"] for setting in settings]
    named = [f"{setting} ({count} images)" for setting, count in zip(settings, counts, strict=True)]
    header = ["hole", *named, "effective of 32", "processor seconds an image"]
    rows = [
        [
            family,
            *(_gap(cells.get(f"{family}/{setting}")) for setting in settings),
            _ess(cells[f"{family}/{USUAL}"]["ess"]),
            f"{cells[f'{family}/{USUAL}']['seconds']:.2f}",
        ]
        for family in families
    ]
    weights = weights_of(facts["model"], facts["sha256"])
    return [f"{weights}; {facts['machine']}, one thread.", "", *table(header, rows)]


def _gap(cell: Facts | None) -> str:
    return "–" if cell is None else f"{cell['gap']:+.1f} ± {cell['error']:.1f}"


def _ess(ess: float | None) -> str:
    return "exact" if ess is None else f"{ess:.1f}"


def _calibration_lines(facts: Facts) -> list[str]:
    said, white = facts["said"], facts["white"]
    PLOT.write_text(_plot(list(zip(said, white, strict=True))), encoding="utf-8")
    rows = [[f"{p:.3f}", f"{share:.3f}", f"{n:,}"] for p, share, n in zip(said, white, facts["count"], strict=True)]
    head = f"`{facts['model']}`, {facts['pixels']:,} hole pixels; {facts['machine']}."
    return ["![Said and true](img/completion-calibration.svg)", "", head, "", *table(["said", "white", "pixels"], rows)]


def _plot(points: list[tuple[float, float]]) -> str:
    """An SVG of the share that is white against the probability that was said; the diagonal is perfect."""
    side, margin = 260, 46
    dots = [(margin + side * x, margin + side * (1 - y)) for x, y in points]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in dots)
    circles = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="#1b6ca8"/>' for x, y in dots)
    size, far = side + 2 * margin, margin + side
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" width="{size}" height="{size}">'
        '<style>text{font:12px sans-serif;fill:#333}</style><rect width="100%" height="100%" fill="white"/>'
        f'<path d="M{margin} {margin}V{far}H{far}" fill="none" stroke="#888"/>'
        f'<path d="M{margin} {far}L{far} {margin}" stroke="#bbb" stroke-dasharray="4"/>'
        f'<polyline points="{line}" fill="none" stroke="#1b6ca8" stroke-width="2"/>{circles}'
        f'<text x="{margin}" y="{size - 12}">said to be white with this probability, 0 to 1</text>'
        f'<text x="{margin}" y="{margin - 14}">share that is white, 0 to 1</text></svg>\n'
    )


def _enumeration_lines(facts: Facts) -> list[str]:
    rows = [[*key.split("/"), f"{cell['variation']:.4f}"] for key, cell in facts["cells"].items()]
    lines = table(["network", "temperature", "total variation"], rows)
    return [f"{facts['islands']:,} islands of 64 particles each, no sweeps; {facts['machine']}.", "", *lines]


_SECTIONS = {
    "gaps": _gap_table,
    "own": _gap_table,
    "calibration": _calibration_lines,
    "enumeration": _enumeration_lines,
}

if __name__ == "__main__":
    main()
