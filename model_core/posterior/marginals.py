"""What is expected of each pixel of a hole: its mean value and how uncertain it is, from weighted draws.

A pixel behind which nothing is given has p(value | everything given) = E[p(value | the pixels before it)], over draws
of what comes before: the distributions that the network predicts along the draws are averaged, which says more than the
drawn values. A pixel before given ones is different: what the network predicts of it does not know of them. There the
weights of the draws do, and the drawn values themselves are averaged, by the weights.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.networks.pixel_network import PixelNetwork

BATCH = 32


@dataclass(frozen=True)
class Marginals:
    """mean (C, H, W) of each variable's value, and entropy_bits (C, H, W) of its distribution: 0 where it is given."""

    mean: NDArray[np.float64]
    entropy_bits: NDArray[np.float64]


def marginals(
    network: PixelNetwork,
    images: NDArray[np.int64],
    weights: NDArray[np.float64],
    keep: NDArray[np.bool_],
    temperature: float,
) -> Marginals:
    """From draws (M, C, H, W) whose weights (M,) add up to 1; keep (H, W), True = given."""
    drawn = _drawn_shares(images, weights, network.config.values)
    shares = np.where(_last_given(keep), _predicted_shares(network, images, weights, temperature), drawn)
    given = np.arange(len(shares))[:, None, None, None] == images[0]
    shares = np.where(keep, given, shares)  # (V, C, H, W)
    mean = np.tensordot(np.arange(len(shares), dtype=np.float64), shares, 1)
    logs = np.log2(shares, out=np.zeros_like(shares), where=shares > 0)
    return Marginals(mean, np.abs(-(shares * logs).sum(0)))


def _last_given(keep: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W): is nothing given behind this pixel?"""
    behind = np.cumsum(keep.ravel()[::-1])[::-1] - keep.ravel()
    return (behind == 0).reshape(keep.shape)


def _drawn_shares(images: NDArray[np.int64], weights: NDArray[np.float64], values: int) -> NDArray[np.float64]:
    """(V, C, H, W): the weight of the draws that have each value."""
    shares = np.zeros((values, *images.shape[1:]))
    for value in range(values):
        shares[value] = np.tensordot(weights, images == value, 1)
    return shares


def _predicted_shares(
    network: PixelNetwork, images: NDArray[np.int64], weights: NDArray[np.float64], temperature: float
) -> NDArray[np.float64]:
    """(V, C, H, W): what the network predicts along the draws, averaged by their weights."""
    distinct, index = np.unique(images, axis=0, return_inverse=True)
    summed = np.bincount(index.ravel(), weights, len(distinct))
    total = torch.zeros(network.config.values, *images.shape[1:], dtype=torch.float64)
    device = network.input.bias.device
    with torch.inference_mode():
        for start in range(0, len(distinct), BATCH):
            part = torch.from_numpy(distinct[start : start + BATCH]).to(device)
            weight = torch.from_numpy(summed[start : start + BATCH])
            total += torch.tensordot(weight, _shares(network(part), temperature), 1)
    return total.numpy()


def _shares(logits: Tensor, temperature: float) -> Tensor:
    """Logits (M, V, C, H, W) -> probabilities at a temperature, float64, on the CPU."""
    return torch.softmax(logits.double().cpu() / temperature, 1)
