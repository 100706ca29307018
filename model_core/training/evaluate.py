"""Negative log-likelihood over a split, as the paper reports it: nats per image, and bits per colour variable."""

import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

import numpy as np
import torch

from model_core.data.splits import Values
from model_core.likelihood import nats_per_image
from model_core.networks import PixelNetwork
from model_core.training.ranks import Ranks


class EvaluationStoppedError(Exception):
    """The caller asked for an end before the last image."""


@dataclass(frozen=True)
class Score:
    """Mean over images; the standard error is that of the mean."""

    nats: float
    bits_per_dim: float
    standard_error: float
    images: int
    images_per_s: float

    def to_dict(self) -> dict[str, float]:
        """As JSON and a card take it."""
        return asdict(self)


@torch.inference_mode()
def evaluate(
    network: PixelNetwork,
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
    total = squares = 0.0
    for start in range(0, math.ceil(len(values) / ranks.count), batch):
        if ranks.any(stop()):
            raise EvaluationStoppedError
        part = share[start : start + batch]
        if len(part):
            nats = nats_per_image(network, torch.from_numpy(part.astype(np.int64)).to(device)).double()
            total += float(nats.sum())
            squares += float(nats.square().sum())
        on_images(len(part) * ranks.count)
    total, squares = ranks.sum(total, squares)
    return _score(total, squares, values, time.perf_counter() - started)


def _score(total: float, squares: float, values: Values, seconds: float) -> Score:
    count = len(values)
    mean = total / count
    variance = max(0.0, squares / count - mean * mean)
    return Score(
        nats=mean,
        bits_per_dim=mean / (math.log(2) * math.prod(values.shape[1:])),
        standard_error=math.sqrt(variance / count),
        images=count,
        images_per_s=count / seconds,
    )
