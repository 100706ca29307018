"""Receptive fields as bool maps (C, H, W, C, H, W): [changed variable, variable whose logits are watched].

Each layer's file says which field its network has; tests/model_core/causality.py holds the networks to it.
"""

import torch
from torch import Tensor

from model_core.config import NetworkConfig


def drawn_before(config: NetworkConfig) -> Tensor:
    """Is the first variable drawn before the second? Row by row, left to right; R, G, B within a pixel."""
    C, H, W = config.channels, config.height, config.width
    order = torch.arange(H * W * C).view(H, W, C).permute(2, 0, 1)
    return order[..., None, None, None] < order


def distances(config: NetworkConfig) -> tuple[Tensor, Tensor]:
    """How many rows the first pixel lies above the second, (H, 1, H, 1), and how many columns right, (1, W, 1, W)."""
    row, column = torch.arange(config.height), torch.arange(config.width)
    return (row - row[:, None])[:, None, :, None], (column[:, None] - column)[
        None, :, None, :
    ]


def seen(config: NetworkConfig, near: Tensor) -> Tensor:
    """The field of a network that sees all colours of the pixels `near` (H, W, H, W), as far as they are drawn before:
    of the pixel itself the colours before."""
    return drawn_before(config) & near[None, :, :, None]
