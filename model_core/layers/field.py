"""Receptive fields as bool maps (C, H, W, C, H, W), indexed by [input variable, output
variable]: the first three indices name colour, row and column of the input variable,
the last three those of the output variable.

An entry is True if the logits of the output variable may depend on the input variable.
The function `field` in each layer's file returns the field of its network;
tests/model_core/causality.py checks every network against it.
"""

import torch
from torch import Tensor

from model_core.config import NetworkConfig


def drawn_before(config: NetworkConfig) -> Tensor:
    """Return a bool map (C, H, W, C, H, W) that is True if the variable of the first
    three indices is drawn before that of the last three.

    The order is row by row, left to right, and R, G, B within a pixel. C, H and W are
    the config's.
    """
    C, H, W = config.channels, config.height, config.width
    order = torch.arange(H * W * C).view(H, W, C).permute(2, 0, 1)
    return order[..., None, None, None] < order


def distances(config: NetworkConfig) -> tuple[Tensor, Tensor]:
    """Return how far apart two pixels of the config's images are, as two int64 maps
    indexed by [row, column of the first pixel, row, column of the second].

    The first map, (H, 1, H, 1), says by how many rows the first pixel lies above the
    second; the second map, (1, W, 1, W), by how many columns it lies to the right of
    it. Both are negative in the other direction.
    """
    row = torch.arange(config.height)
    column = torch.arange(config.width)
    up = row - row[:, None]
    right = column[:, None] - column
    return up[:, None, :, None], right[None, :, None, :]


def seen(config: NetworkConfig, near: Tensor) -> Tensor:
    """Return the receptive field, bool (C, H, W, C, H, W), of a network that reads
    nearby pixels: an entry is True if `near` is True for the two pixels and the input
    variable is drawn before the output variable.

    near: bool, [input pixel, output pixel], (H, W, H, W) or a shape that broadcasts to
        it. The entries of a pixel with itself should be True, so that a colour reads
        the earlier colours of its pixel.
    """
    return drawn_before(config) & near[None, :, :, None]
