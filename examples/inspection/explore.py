"""Find printed digits that have a flaw, by a model that was trained on good ones only.

    python examples/inspection/explore.py data/binarized-mnist
    python examples/inspection/explore.py data/binarized-mnist --against mnist-pixelcnn

prints flaws on digits of the test split: a speck, a scratch, a dead row, a slip. Two numbers judge each print: the
nats of all of it, by the quantiles in the model's card, and the bits of the most surprising 3 x 3 pixels, by those of
other good prints. Prints how many flawed ones each finds at so many false alarms, and how often the most surprising
place is at the flaw; with --against, instead, how many the ratio to a second model finds. The service then scores a
digit of each kind: found.png in --out shows where its surprise is.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from PIL import Image

from model_core import load_model, log_likelihood
from model_core.data.datasets import read_dataset
from model_core.measures.picture_score import score_picture
from model_core.measures.standing import p_value
from model_core.models import Model
from pixelrnn.client import Client

Digit = NDArray[np.uint8]
"""(H, W), 1 is ink."""
Flaw = Callable[[Digit, np.random.Generator], Digit]
SPOT = 3
NEAR = 2
"""The most surprising place is at the flaw if it is no farther than this from a pixel that the flaw changed."""
ALARMS = 0.05, 0.01
"""Shares of good prints that may be stopped."""


def speck(digit: Digit, random: np.random.Generator) -> Digit:
    """A blot of 2 x 2 where no ink is near."""
    flawed, (H, W) = digit.copy(), digit.shape
    free = [
        (y, x)
        for y in range(1, H - 3)
        for x in range(1, W - 3)
        if not digit[y - 1 : y + 3, x - 1 : x + 3].any()
    ]
    y, x = free[random.integers(len(free))]
    flawed[y : y + 2, x : x + 2] = 1
    return flawed


def scratch(digit: Digit, random: np.random.Generator) -> Digit:
    """A line without ink through the middle, one pixel wide, falling by one pixel in two."""
    flawed, (H, W) = digit.copy(), digit.shape
    begin = int(random.integers(H // 4, H // 2))
    for x in range(W):
        flawed[min(H - 1, begin + x // 2), x] = 0
    return flawed


def dead_row(digit: Digit, random: np.random.Generator) -> Digit:
    """A row without ink, among those that have the most."""
    flawed, ink = digit.copy(), digit.sum(1)
    flawed[random.choice(np.argsort(ink)[-6:])] = 0
    return flawed


def slip(digit: Digit, random: np.random.Generator) -> Digit:
    """Everything below the middle is two pixels to the right."""
    flawed, half = digit.copy(), digit.shape[0] // 2
    flawed[half:] = np.roll(digit[half:], 2, axis=1)
    return flawed


FLAWS: dict[str, Flaw] = {
    "speck": speck,
    "scratch": scratch,
    "dead row": dead_row,
    "slip": slip,
}


def spots(bits: NDArray[np.floating]) -> NDArray[np.floating]:
    """Bits of each square of 3 x 3 pixels, by its upper left corner."""
    return sliding_window_view(bits, (SPOT, SPOT)).sum((2, 3))


def judged(model: Model, digit: Digit) -> tuple[float, float, tuple[int, int]]:
    """The nats of a print, the bits of its most surprising spot, and the middle of that."""
    score = score_picture(model, digit[None])
    found = spots(score.bits.sum(0))
    y, x = np.unravel_index(found.argmax(), found.shape)
    return score.nats, float(found.max()), (int(y) + SPOT // 2, int(x) + SPOT // 2)


def is_at(place: tuple[int, int], good: Digit, flawed: Digit) -> bool:
    """Is the place near a pixel that the flaw changed?"""
    y, x = place
    return bool(
        (good != flawed)[
            max(0, y - NEAR) : y + NEAR + 1, max(0, x - NEAR) : x + NEAR + 1
        ].any()
    )


def inspected(model: Model, good: NDArray[np.uint8], others: NDArray[np.uint8]) -> None:
    """Print the table. others: good prints that say how surprising a spot of such may be."""
    assert model.card.validation is not None, (
        "the model's card has no quantiles: pixelrnn calibrate"
    )
    usual = np.sort([judged(model, digit)[1] for digit in others])
    rows: dict[str, Flaw] = {"good": lambda digit, random: digit, **FLAWS}
    print(
        "| print | p of all nats under 5% | under 1% | spot above 95% of good ones | above 99% | spot is at the flaw |"
    )
    print("|---|---|---|---|---|---|")
    for name, flaw in rows.items():
        random = np.random.default_rng(7)
        flawed = [flaw(digit, random) for digit in good]
        changed = [
            i
            for i, digit in enumerate(flawed)
            if name == "good" or (digit != good[i]).any()
        ]
        found = {i: judged(model, flawed[i]) for i in changed}
        whole = [
            np.mean(
                [
                    p_value(nats, model.card.validation) <= p
                    for nats, _, _ in found.values()
                ]
            )
            for p in ALARMS
        ]
        spot = [
            np.mean([bits > np.quantile(usual, 1 - p) for _, bits, _ in found.values()])
            for p in ALARMS
        ]
        at = [is_at(place, good[i], flawed[i]) for i, (_, _, place) in found.items()]
        said = "" if name == "good" else f"{np.mean(at):.0%}"
        print(
            f"| {name} ({len(changed)}) | "
            + " | ".join(f"{share:.0%}" for share in [*whole, *spot])
            + f" | {said} |"
        )


def compared(
    model: Model, second: Model, good: NDArray[np.uint8], others: NDArray[np.uint8]
) -> None:
    """Print the table of the likelihood ratio: prints beyond what 95%, and 99%, of other good ones have."""

    def numbers(
        prints: Sequence[Digit],
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Nats of each print, and ln of the ratio of the second model to the first: high for a strange one."""
        images = torch.from_numpy(np.stack(prints))[:, None].long()
        first, other = (
            -log_likelihood(each, images).double().numpy() for each in (model, second)
        )
        return first, first - other

    usual = numbers(list(others))
    print("| print | nats | ratio |\n|---|---|---|")
    for name, flaw in {"good": lambda digit, random: digit, **FLAWS}.items():
        random = np.random.default_rng(7)
        flawed = [(flaw(digit, random), digit) for digit in good]
        changed = [
            after
            for after, before in flawed
            if name == "good" or (after != before).any()
        ]
        cells = [
            "{:.0%} ({:.0%})".format(
                *(np.mean(found > np.quantile(known, 1 - p)) for p in ALARMS)
            )
            for found, known in zip(numbers(changed), usual, strict=True)
        ]
        print(f"| {name} ({len(changed)}) | " + " | ".join(cells) + " |")


def shown(
    client: Client, name: str, digits: NDArray[np.uint8], path: Path, scale: int = 4
) -> None:
    """Write a digit of each kind, flawed, beside the service's map of its surprise; white is the most of any spot."""
    columns = []
    for digit, flaw in zip(digits, FLAWS.values(), strict=False):
        flawed = flaw(digit, np.random.default_rng(7))
        job = client.score(name, flawed[None])
        job.wait()
        bits = np.array(job.score_map()["bits"])[..., 0]
        columns.append(np.concatenate([digit, flawed, np.minimum(1, bits / 6)]))
    picture = Image.fromarray(np.uint8(255 * np.concatenate(columns, axis=1)))
    picture.resize(
        (picture.width * scale, picture.height * scale), Image.Resampling.NEAREST
    ).save(path, optimize=True)
    print(path)


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("data", type=Path)
    parser.add_argument(
        "--model",
        default="mnist-diagonal-bilstm",
        help="name, in the service and on this disk",
    )
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument(
        "--against", help="a second model: only the table of the ratio of the two"
    )
    parser.add_argument(
        "--n", type=int, default=200, help="digits that are printed, and as many others"
    )
    asked = parser.parse_args()
    model = load_model(asked.model)
    every = read_dataset(asked.data, "test", model.config)
    digits = np.asarray(every[:: max(1, len(every) // (2 * asked.n)), 0])[
        : 2 * asked.n
    ]  # they may be sorted
    if asked.against:
        compared(model, load_model(asked.against), digits[::2], digits[1::2])
        return
    inspected(model, digits[::2], digits[1::2])
    with Client(asked.url) as client:
        shown(
            client,
            asked.model,
            digits[:: len(digits) // len(FLAWS)],
            asked.out / "found.png",
        )


if __name__ == "__main__":
    main()
