"""Receptive fields as bool maps (C, H, W, C, H, W), indexed by [input variable, output
variable].

An entry is True if the logits of the output variable may depend on the input variable.
The function `field` in each layer's file returns the field of its network;
tests/model_core/causality.py checks every network against it.
"""

import torch
from torch import Tensor

from model_core.config import NetworkConfig


def drawn_before(config: NetworkConfig) -> Tensor:
    """Return a map that is True if the first variable is drawn before the second.

    The order is row by row, left to right, and R, G, B within a pixel.
    """
    C, H, W = config.channels, config.height, config.width
    order = torch.arange(H * W * C).view(H, W, C).permute(2, 0, 1)
    return order[..., None, None, None] < order


def distances(config: NetworkConfig) -> tuple[Tensor, Tensor]:
    """Return two maps of int64: by how many rows the first pixel lies above the second,
    (H, 1, H, 1), and by how many columns it lies to the right of the second, (1, W, 1,
    W)."""
    row = torch.arange(config.height)
    column = torch.arange(config.width)
    up = row - row[:, None]
    right = column[:, None] - column
    return up[:, None, :, None], right[None, :, None, :]


def seen(config: NetworkConfig, near: Tensor) -> Tensor:
    """Return the field of a network that sees the variables of nearby pixels that are
    drawn before.

    near: bool (H, W, H, W), [input pixel, output pixel]. Of the pixel itself the
    network sees the colours that are drawn before.
    """
    return drawn_before(config) & near[None, :, :, None]
