"""Skewing: lay the diagonals of a map into columns (section 3.2, figure 3).

a b c      a b c . .
d e f  ->  . d e f .      each row one column right of the row above; column s holds the pixels with y + x = s
g h i      . . g h i
"""

import torch
from torch import Tensor
from torch.nn import functional


def skew(x: Tensor) -> Tensor:
    """Offset each row one column right of the row above: (B, F, H, W) -> (B, F, H, W + H - 1), zeros elsewhere."""
    B, F, H, W = x.shape
    S = W + H - 1
    padded = functional.pad(
        x, (0, H)
    )  # (B, F, H, W + H): read with rows one shorter, every row slips by one
    return padded.reshape(B, F, H * (W + H))[:, :, : H * S].reshape(B, F, H, S)


def unskew(x: Tensor) -> Tensor:
    """Undo skew: (B, F, H, S) -> (B, F, H, W) with W = S - H + 1."""
    B, F, H, S = x.shape
    W = S - H + 1
    flat = functional.pad(x.reshape(B, F, H * S), (0, H))
    return flat.reshape(B, F, H, S + 1)[..., :W]


def inside(height: int, width: int, device: torch.device | None = None) -> Tensor:
    """(H, S) bool: where a skewed map holds a pixel. Made on the device, for nothing is to wait for a copy."""
    column = (
        torch.arange(width + height - 1, device=device)[None, :]
        - torch.arange(height, device=device)[:, None]
    )
    return (column >= 0) & (column < width)
