"""Models with labels that draw in milliseconds, and what enumeration says of them."""

import itertools
from dataclasses import replace

import torch
from torch import Tensor

from model_core import Model, log_likelihood, untrained
from model_core.card import CardLabel

PRIORS = (0.5, 0.3, 0.2)
LOG_PRIORS = torch.tensor(PRIORS, dtype=torch.float64).log()
SIDE = 3
SIZE = {"height": SIDE, "width": SIDE, "layers": 1, "hidden": 4, "head": 4}


def labelled(
    name: str = "mnist-diagonal-bilstm", seed: int = 3, **size: int | bool
) -> Model:
    """Random weights, awake, and labels that differ much, of uneven priors."""
    model = untrained(name, seed=seed, labels=3, **{**SIZE, **size})
    generator = torch.Generator().manual_seed(seed)
    for label, parameter in model.network.named_parameters():
        strength = (
            3.0
            if "condition" in label or "upsampler.label" in label
            else 0.5
            if parameter.dim() == 1
            else 0.0
        )
        parameter.add_(strength * torch.randn(parameter.shape, generator=generator))
        if "up.weight" in label or "skip.weight" in label:
            parameter.mul_(4)
    labels = tuple(
        CardLabel(name, prior) for name, prior in zip("abc", PRIORS, strict=True)
    )
    return Model(model.members, replace(model.card, labels=labels))


def all_images() -> Tensor:
    """Every binary image of the size: (512, 1, 3, 3)."""
    return torch.tensor(list(itertools.product((0, 1), repeat=SIDE * SIDE))).view(
        -1, 1, SIDE, SIDE
    )


def chi_square(counts: Tensor, expected: Tensor) -> tuple[float, float]:
    """The statistic of cells that are expected five times or more, the rest pooled, and what it hardly ever exceeds."""
    often = expected >= 5
    pools = torch.stack([counts[~often].sum(), expected[~often].sum()])
    cells = torch.cat(
        [torch.stack([counts[often], expected[often]]), pools[:, None]], 1
    ).double()
    cells = cells[:, cells[1] > 0]
    count = cells.shape[1]
    return float(((cells[0] - cells[1]).square() / cells[1]).sum()), count + 4 * (
        2 * count
    ) ** 0.5


def joint(model: Model) -> Tensor:
    """ln of prior and of p(image | label), of every image there is: (K, 512)."""
    return (
        torch.stack(
            [log_likelihood(model, all_images(), label).double() for label in range(3)]
        )
        + LOG_PRIORS[:, None]
    )


def fitting(known: Tensor, keep: Tensor) -> Tensor:
    """Every image that is as given: (512,) bool."""
    return ((all_images() == known) | ~keep).all((1, 2, 3))
