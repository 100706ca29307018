"""Which score tells strange pictures from usual ones? Writes sections of docs/scores.md.

    python benchmarks/shifts.py --data PATH     binarized MNIST; minutes on one core

Test images of MNIST against images of five other kinds, 1,000 of each, under one model of digits that was calibrated:
AUROC is the share of pairs, one of each, in which the strange picture has the stranger score (0.5: no better than a
coin; below: worse). And whether p-values keep their word: those of all test images against a uniform distribution.
"""

import argparse
import importlib.util
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from sections import machine, table, weights_of, write_section

from model_core import load_model
from model_core.data.datasets import read_dataset
from model_core.measures.likelihood import log_likelihood
from model_core.measures.standing import Standing, p_value
from model_core.models import Model

PAGE = Path("docs/scores.md")
FLOOR_PLANS = Path(__file__).parent.parent / "examples" / "maps" / "floor_plans.py"
Images = NDArray[np.int64]
"""(N, 28, 28) of 0 and 1."""


def typed(count: int, rng: np.random.Generator) -> Images:
    """Another style of digits: Pillow's own font, in several sizes and places, tilted."""
    return np.stack([_typed(str(rng.integers(10)), rng) for _ in range(count)])


def _typed(digit: str, rng: np.random.Generator) -> NDArray[np.int64]:
    picture = Image.new("L", (28, 28))
    font = ImageFont.load_default(size=int(rng.integers(20, 27)))
    place = float(14 + rng.integers(-1, 2)), float(14 + rng.integers(-1, 2))
    ImageDraw.Draw(picture).text(place, digit, fill=255, font=font, anchor="mm")
    turned = picture.rotate(float(rng.uniform(-15, 15)), Image.Resampling.BILINEAR)
    return (np.asarray(turned) > 127).astype(np.int64)


def plans(count: int, _rng: np.random.Generator) -> Images:
    """Another data set: the middle of floor plans (examples/maps)."""
    spec = importlib.util.spec_from_file_location("floor_plans", FLOOR_PLANS)
    assert spec is not None
    assert spec.loader is not None
    maker = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(maker)
    return maker.different_plans(count, 7)[:, 2:30, 2:30].astype(np.int64)


def blank(count: int, _rng: np.random.Generator) -> Images:
    """Nothing at all."""
    return np.zeros((count, 28, 28), np.int64)


def noisy(digits: Images, rng: np.random.Generator) -> Images:
    """Two in a hundred pixels turned over."""
    return np.where(rng.random(digits.shape) < 0.02, 1 - digits, digits)


def cut(digits: Images, _rng: np.random.Generator) -> Images:
    """The middle 10 x 10 pixels are missing."""
    missing = digits.copy()
    missing[:, 9:19, 9:19] = 0
    return missing


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mnist-diagonal-bilstm")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--images", type=int, default=1000)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model, rng = load_model(arguments.model), np.random.default_rng(2016)
    test = read_dataset(arguments.data, "test", model.config)[:, 0].astype(np.int64)
    usual, rest = (
        test[:: len(test) // arguments.images],
        test[1 :: len(test) // arguments.images],
    )
    kinds: dict[str, Callable[[], Images]] = {
        "other digits: typed": lambda: typed(len(usual), rng),
        "other pictures: floor plans": lambda: plans(len(usual), rng),
        "other pictures: blank": lambda: blank(len(usual), rng),
        "damaged: 2% of pixels turned over": lambda: noisy(rest, rng),
        "damaged: the middle is missing": lambda: cut(rest, rng),
    }
    known = scores(model, usual)
    rows = [
        (
            name,
            *(
                f"{auroc(a, b):.3f}"
                for a, b in zip(known, scores(model, make()), strict=True)
            ),
        )
        for name, make in kinds.items()
    ]
    head = ("strange pictures", "nats (or p-value)", "typicality", "bits over PNG")
    facts = f"{weights_of(model.card.name, model.card.sha256)}, {len(usual)} of each; {machine()}."
    write_section("shifts", [facts, "", *table(head, rows)], PAGE)
    write_section("p-values", [uniform(model, test)], PAGE)


def scores(model: Model, images: Images) -> tuple[NDArray[np.float64], ...]:
    """Three scores of each image, the larger the stranger."""
    nats = -log_likelihood(model, torch.from_numpy(images)[:, None]).double().numpy()
    found = [
        Standing.of(image[None], n, 2, model.card.validation)
        for image, n in zip(images, nats.tolist(), strict=True)
    ]
    assert all(each.typicality is not None for each in found), (
        "pixelrnn calibrate has not been run"
    )
    return (
        nats,
        np.array([-(each.typicality or 0) for each in found]),
        np.array([each.bits_over_png for each in found]),
    )


def auroc(usual: NDArray[np.float64], strange: NDArray[np.float64]) -> float:
    """The share of pairs in which the strange one is larger; a tie counts half."""
    ordered = np.sort(usual)
    below, up_to = (
        np.searchsorted(ordered, strange, "left"),
        np.searchsorted(ordered, strange, "right"),
    )
    return float((below + up_to).mean() / 2 / len(usual))


def uniform(model: Model, test: Images) -> str:
    """The largest distance between the p-values' distribution and the diagonal, beside what chance allows."""
    validation = model.card.validation
    assert validation is not None
    nats = -log_likelihood(model, torch.from_numpy(test)[:, None]).double().numpy()
    found = np.sort([p_value(each, validation) for each in nats])
    apart = float(np.abs(found - (np.arange(len(found)) + 0.5) / len(found)).max())
    allowed = 1.628 * math.sqrt(1 / len(found) + 1 / validation.images)
    return (
        f"{weights_of(model.card.name, model.card.sha256)}: p-values of {len(found):,} test images by "
        f"{validation.images:,} validation images: their distribution is at most {apart:.4f} from uniform "
        f"(Kolmogorov-Smirnov; chance exceeds {allowed:.4f} once in a hundred)."
    )


if __name__ == "__main__":
    main()
