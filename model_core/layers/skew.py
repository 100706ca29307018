"""Skewing: lay the diagonals of a map into columns (section 3.2, figure 3).

    a b c      a b c . .
    d e f  ->  . d e f .
    g h i      . . g h i

Each row is one column to the right of the row above, so that column s contains the
pixels with y + x = s.
"""

import torch
from torch import Tensor
from torch.nn import functional


def skew(x: Tensor) -> Tensor:
    """Return a new map in which each row is shifted one column to the right of the row
    above: (B, F, H, W) -> (B, F, H, S) with S = W + H - 1. The entries that no pixel
    moves to are zero."""
    B, F, H, W = x.shape
    S = W + H - 1
    padded = functional.pad(x, (0, H))  # (B, F, H, W + H)
    # Read again with rows that are one shorter, each row is shifted by one more.
    flat = padded.reshape(B, F, H * (W + H))
    return flat[:, :, : H * S].reshape(B, F, H, S)


def unskew(x: Tensor) -> Tensor:
    """Return the map that `skew` skewed: (B, F, H, S) -> (B, F, H, W) with W = S - H +
    1. The entries outside the image (`inside`) are dropped."""
    B, F, H, S = x.shape
    W = S - H + 1
    flat = functional.pad(x.reshape(B, F, H * S), (0, H))
    return flat.reshape(B, F, H, S + 1)[..., :W]


def inside(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """Return bool (H, S), S = W + H - 1: which entries of a skewed map hold a pixel of
    the image.

    device: of the result.
    """
    skewed_column = torch.arange(width + height - 1, device=device)[None, :]
    row = torch.arange(height, device=device)[:, None]
    column = skewed_column - row
    return (column >= 0) & (column < width)
