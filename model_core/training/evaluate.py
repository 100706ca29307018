"""Negative log-likelihood over a split, as the paper reports it: nats per image, and bits per colour variable."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_core.data.splits import Values
from model_core.measures.likelihood import member_nats, mixed
from model_core.models import Model
from model_core.networks import Network
from model_core.orientation import turn
from model_core.training.ranks import Ranks


class EvaluationStoppedError(Exception):
    """The caller asked for an end before the last image."""


@dataclass(frozen=True)
class Score:
    """Means over images, and the standard errors of these means."""

    nats: float
    bits_per_dim: float
    standard_error: float
    """Standard error of nats."""
    bits_standard_error: float
    """Standard error of bits_per_dim."""
    colour_bits: list[float]
    """bits_per_dim of each colour's own variables: grey, or red, green given red, blue given both. A mixture of colour
    networks has none."""
    images: int
    images_per_s: float
    member_nats: dict[str, float] = field(default_factory=dict)
    """Mean nats of each member of a mixture, by its orientation."""

    def to_dict(self) -> dict[str, Any]:
        """The score as JSON and a card take it."""
        facts = asdict(self)
        if not self.member_nats:
            del facts["member_nats"]
        return facts


@torch.inference_mode()
def evaluate(
    network: Network,
    values: Values,
    batch: int = 50,
    ranks: Ranks | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_images: Callable[[int], None] = lambda _: None,
) -> Score:
    """Score a network on uint8 (N, C, H, W); the images are shared out when there are several processes.

    on_images hears how many more images are done. Raises EvaluationStoppedError, in all processes, once stop() is true.
    """
    ranks = ranks or Ranks()
    started = time.perf_counter()
    share = values[ranks.rank :: ranks.count]
    device = next(network.parameters()).device
    sums = torch.zeros(1 + values.shape[1], dtype=torch.float64)  # of squared nats, and of each colour's nats
    for start in range(0, math.ceil(len(values) / ranks.count), batch):
        if ranks.any(stop()):
            raise EvaluationStoppedError
        part = share[start : start + batch]
        if len(part):
            sums += _sums(network, torch.from_numpy(part.astype(np.int64)).to(device))
        on_images(len(part) * ranks.count)
    squares, *colours = ranks.sum(*sums.tolist())
    return _score(squares, colours, values, time.perf_counter() - started)


@torch.inference_mode()
def evaluate_model(
    model: Model, values: Values, batch: int = 50, on_images: Callable[[int], None] = lambda _: None
) -> Score:
    """Score a model, a mixture too, on uint8 (N, C, H, W) as they are: each member sees them turned."""
    if len(model.members) == 1:
        (member,) = model.members
        return evaluate(member.network, turn(values, member.orientation), batch, on_images=on_images)
    started = time.perf_counter()
    parts = []
    for start in range(0, len(values), batch):
        part = values[start : start + batch]
        parts.append(member_nats(model, torch.from_numpy(part.astype(np.int64))).double().cpu())
        on_images(len(part))
    each = torch.cat(parts, 1)  # (K, N)
    nats = -mixed(-each)
    means = dict(zip([member.orientation for member in model.members], each.mean(1).tolist(), strict=True))
    score = _score(float(nats.square().sum()), [float(nats.sum())], values, time.perf_counter() - started)
    return replace(score, member_nats=means, colour_bits=score.colour_bits if values.shape[1] == 1 else [])


def _sums(network: Network, values: Tensor) -> Tensor:
    """Over images (B, C, H, W): the sum of their squared nats, then the sum of each colour's nats (1 + C)."""
    colours = network.nats_map(values).double().sum((2, 3))  # (B, C)
    return torch.cat([colours.sum(1).square().sum()[None], colours.sum(0)]).cpu()


def _score(squares: float, colours: list[float], values: Values, seconds: float) -> Score:
    count, C, H, W = values.shape
    mean = sum(colours) / count
    error = math.sqrt(max(0.0, squares / count - mean * mean) / count)
    bit = math.log(2) * C * H * W  # nats per image that make one bit/dim
    return Score(
        nats=mean,
        bits_per_dim=mean / bit,
        standard_error=error,
        bits_standard_error=error / bit,
        colour_bits=[nats / count / (bit / C) for nats in colours],
        images=count,
        images_per_s=count / seconds,
    )
