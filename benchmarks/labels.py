"""How well a model with labels tells them, beside a network that was trained for nothing else. Writes
docs/internals/labels.md.

    python benchmarks/labels.py --data PATH --originals PATH     binarized MNIST, and MNIST; minutes on one core
    python benchmarks/labels.py --particles --images 100 ...     other parts, and nothing else

Test images of MNIST, spread over the ten digits: whole ones, the first rows of them (what is given comes first: exact)
and other parts (by particles; --log FILE keeps what was found of each, and goes on from there). Errors, -ln p of the
true label, and the expected error of calibration over images whose highest p is below 0.99. The classifier is a small
convolutional network, trained here on the same images.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from sections import machine, table, weights_of, write_section
from torch import Tensor, nn

from model_core import classify, load_model
from model_core.data.datasets import read_labelled
from model_core.data.splits import spread
from model_core.models import Model

PAGE, PLOT = Path("docs/internals/labels.md"), Path("docs/img/labels-reliability.svg")
SURE, BINS = 0.99, 10
Floats = NDArray[np.float64]
Row = tuple[str, ...]
Damage = Callable[[Tensor, torch.Generator], Tensor]

DAMAGES: dict[str, Damage] = {
    "plain": lambda images, _: images,
    "noisy: one pixel in ten turned over": lambda images, noise: noisy(images, noise),
    "covered: a black square of 10 x 10 in the middle": lambda images, _: covered(
        images
    ),
    "shifted: three pixels to the right and down": lambda images, _: images.roll(
        (3, 3), (2, 3)
    ),
}


def noisy(images: Tensor, generator: torch.Generator) -> Tensor:
    """One pixel in ten is the other value."""
    return images ^ (torch.rand(images.shape, generator=generator) < 0.1).long()


def covered(images: Tensor) -> Tensor:
    """The middle is black."""
    hidden = images.clone()
    hidden[:, :, 9:19, 9:19] = 0
    return hidden


def trained(images: Tensor, labels: Tensor, epochs: int) -> Callable[[Tensor], Floats]:
    """A small classifier, trained on whole images as they are: images -> p (B, K)."""
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 49, 64),
        nn.ReLU(),
        nn.Linear(64, int(labels.max()) + 1),
    )
    rule = torch.optim.Adam(network.parameters(), 1e-3)
    for _ in range(epochs):
        for chosen in torch.randperm(len(images)).split(64):
            rule.zero_grad()
            nn.functional.cross_entropy(
                network(images[chosen].float()), labels[chosen]
            ).backward()
            rule.step()

    def told(given: Tensor) -> Floats:
        with torch.inference_mode():
            return network(given.float()).double().softmax(1).numpy()

    return told


def figures(p: Floats, labels: NDArray[np.int64]) -> tuple[str, str, str]:
    """Errors, log-loss and the expected error of calibration, as the table shows
    them."""
    wrong = (p.argmax(1) != labels).mean()
    loss = -np.log(np.maximum(p[np.arange(len(p)), labels], 1e-300)).mean()
    return (
        f"{wrong:.2%}",
        f"{loss:.3f}",
        f"{_apart(p, labels):.1%} of {(p.max(1) < SURE).sum()}",
    )


def _apart(p: Floats, labels: NDArray[np.int64]) -> float:
    """The expected error of calibration."""
    bins = reliability(p, labels)
    return sum(abs(said - true) * n for said, true, n in bins) / max(
        1, sum(n for *_, n in bins)
    )


def reliability(p: Floats, labels: NDArray[np.int64]) -> list[tuple[float, float, int]]:
    """Bins of as many images, those whose highest p is below SURE: the mean highest p,
    how many are right, and how many there are."""
    highest = p.max(1)
    order = np.argsort(highest)[: int((highest < SURE).sum())]
    right = p.argmax(1) == labels
    parts = [part for part in np.array_split(order, BINS) if len(part)]
    return [
        (float(highest[part].mean()), float(right[part].mean()), len(part))
        for part in parts
    ]


def plot(bins: list[tuple[float, float, int]], title: str) -> str:
    """Said against true, as SVG."""
    points = "".join(
        f'<circle cx="{40 + 240 * x:.1f}" cy="{260 - 240 * y:.1f}" r="4" fill="#1b6ca8"/>'
        for x, y, _ in bins
    )
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 300 300" width="300" height="300">'
        '<style>text{font:12px sans-serif;fill:#333}</style><rect width="100%" height="100%" fill="white"/>'
        f'<path d="M40 260H280M40 260V20M40 260L280 20" stroke="#bbb" fill="none"/>{points}'
        f'<text x="40" y="14">{title}</text>'
        '<text x="40" y="282">p of the likeliest label</text>'
        '<text transform="translate(30 260) rotate(-90)">how often it is right</text>'
        "</svg>\n"
    )


def rows_given(rows: int) -> Tensor:
    """(28, 28): the first rows."""
    keep = torch.zeros(28, 28, dtype=torch.bool)
    keep[:rows] = True
    return keep


PARTS: dict[str, Callable[[Tensor, Tensor, Tensor], Tensor]] = {
    "the lower half": lambda y, x, random: y >= 14,
    "the lower right quarter": lambda y, x, random: (y >= 14) & (x >= 14),
    "a third of the pixels, anywhere": lambda y, x, random: random < 1 / 3,
}
"""Parts that are told by particles, which a guide begins in the first two."""


def by_particles(
    model: Model, images: Tensor, labels: NDArray[np.int64], log: Path | None
) -> Iterator[Row]:
    """A line for each kind of part: what is said, beside what would be true by chance
    if it were right."""
    kept = (
        [json.loads(line) for line in log.read_text().splitlines()]
        if log and log.exists()
        else []
    )
    done = {(each["part"], each["i"]): each for each in kept}
    y, x = torch.meshgrid(torch.arange(28), torch.arange(28), indexing="ij")
    for i in np.random.default_rng(0).permutation(len(images)).tolist():
        random = torch.rand(28, 28, generator=torch.Generator().manual_seed(i))
        for part, given in PARTS.items():
            if (part, i) not in done:
                began = time.process_time()
                found = classify(model, images[i], given(y, x, random), seed=i)
                seconds = time.process_time() - began
                done[part, i] = {
                    "part": part,
                    "i": i,
                    "p": found.p[0].tolist(),
                    "word": found.quality,
                    "s": seconds,
                }
                if log:
                    with log.open("a") as file:
                        file.write(json.dumps(done[part, i]) + "\n")
    for part in PARTS:
        told = [
            each
            for (its, i), each in sorted(done.items())
            if its == part and i < len(images)
        ]
        true = labels[[each["i"] for each in told]]
        yield part, *_line(np.array([each["p"] for each in told]), true), *_words(told)


def _line(p: Floats, true: NDArray[np.int64]) -> Row:
    wrong, _, apart = figures(p, true)
    log_p = np.log(np.maximum(p, 1e-300))
    loss, own = -log_p[np.arange(len(p)), true], -(p * log_p).sum(1)
    more = f"{(loss - own).mean():+.3f} ± {(loss - own).std() / len(p) ** 0.5:.3f}"
    generator = np.random.default_rng(0)
    drawn = [
        (p.cumsum(1) < generator.random((len(p), 1))).sum(1).clip(max=p.shape[1] - 1)
        for _ in range(200)
    ]
    chance = np.quantile([_apart(p, each) for each in drawn], (0.5, 0.95))
    return (
        str(len(p)),
        wrong,
        f"{loss.mean():.3f}",
        more,
        apart,
        f"{chance[0]:.1%}, {chance[1]:.1%}",
    )


def _words(told: Sequence[dict[str, Any]]) -> Row:
    good = sum(each["word"] == "good" for each in told) / len(told)
    return f"{good:.0%}", f"{np.mean([each['s'] for each in told]):.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="mnist-labelled")
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--originals", type=Path, required=True)
    parser.add_argument("--images", type=int, default=1000, help="of each kind")
    parser.add_argument("--particles", action="store_true")
    parser.add_argument("--log", type=Path)
    parser.add_argument(
        "--epochs", type=int, default=3, help="of the classifier, on 20,000 images"
    )
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    model = load_model(arguments.model)

    def read(split: str, count: int) -> tuple[Tensor, NDArray[np.int64]]:
        values, labels = read_labelled(
            arguments.data, split, model.config, originals=arguments.originals
        )
        return torch.from_numpy(spread(values, count).astype(np.int64)), spread(
            labels.numbers, count
        )

    if arguments.particles:
        header = (
            "given",
            "images",
            "errors",
            "nats of the label",
            "minus own entropy",
            "error of calibration",
        )
        header += (
            "by chance: median, 95%",
            "good",
            "processor seconds",
        )
        lines = list(
            by_particles(model, *read("test", arguments.images), arguments.log)
        )
        facts = f"{weights_of(model.card.name, model.card.sha256)}; {machine()}."
        write_section("labels-particles", [facts, "", *table(header, lines)], PAGE)
        return
    (images, labels), (train, train_labels) = (
        read("test", arguments.images),
        read("train", 20_000),
    )
    other = trained(train, torch.from_numpy(train_labels), arguments.epochs)
    rows, generator = [], torch.Generator().manual_seed(1)
    for name, damage in DAMAGES.items():
        seen = damage(images, generator)
        found = classify(model, seen)
        if name == "plain":
            PLOT.write_text(
                plot(
                    reliability(found.p, labels),
                    f"{model.card.name}, {len(images)} test images",
                )
            )
        nats = f"{np.median(found.total_nats):.1f}"
        rows += [
            (name, "model", *figures(found.p, labels), nats),
            (name, "classifier", *figures(other(seen), labels), "-"),
        ]
    head = (
        "images",
        "who",
        "errors",
        "nats of the label",
        "error of calibration",
        "median nats of the image",
    )
    facts = f"{weights_of(model.card.name, model.card.sha256)}, {len(images)} test images; {machine()}."
    write_section("labels", [facts, "", *table(head, rows)], PAGE)
    parts = [
        (f"the first {n} of 28 rows", classify(model, images, rows_given(n)).p, labels)
        for n in (14, 9, 3)
    ]
    lines = [(name, str(len(true)), *figures(p, true)) for name, p, true in parts]
    write_section("labels-parts", table(("given", "images", *head[2:5]), lines), PAGE)


if __name__ == "__main__":
    main()
