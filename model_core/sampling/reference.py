"""The slow truth: one whole teacher-forced pass for every colour of every pixel. What every fast path must equal."""

import torch
from torch import Tensor

from model_core.models import Model
from model_core.sampling.draw import draw
from model_core.sampling.noise import image_noise


def reference_sample(
    model: Model,
    n: int,
    seed: int,
    temperature: float = 1.0,
    known: Tensor | None = None,
    keep: Tensor | None = None,
) -> Tensor:
    """Draw n images, (n, C, H, W); known (C, H, W) values are taken where keep (H, W) is True (all images alike)."""
    config = model.config
    C, H, W = config.channels, config.height, config.width
    noise = torch.stack([torch.from_numpy(image_noise(seed, i, H, W, C)) for i in range(n)])  # (n, H, W, C)
    values = torch.zeros(n, C, H, W, dtype=torch.int64)
    warmth = torch.full((n,), temperature, dtype=torch.float64)
    with torch.inference_mode():
        for y in range(H):
            for x in range(W):
                if keep is not None and known is not None and bool(keep[y, x]):
                    values[:, :, y, x] = known[:, y, x]
                    continue
                for c in range(C):
                    logits = model.network(values)[:, :, c, y, x]  # (n, V)
                    values[:, c, y, x] = draw(logits, noise[:, y, x, c], warmth)
    return values
