"""How likely a model finds one picture, variable by variable: as numbers and as a heat map of its surprise."""

import math
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.measures.likelihood import bits_per_dim
from model_core.models import Model, check_upright


@dataclass(frozen=True)
class PictureScore:
    """bits (C, H, W) of each variable given those before it; of a Multi-Scale model with the small image's bits added
    where its pixels were taken. nats is their sum, in nats."""

    bits: NDArray[np.float32]
    nats: float
    bits_per_dim: float
    colour_bits: list[float]
    """Mean bits of each colour."""
    uniform_bits: float
    """What a uniform guess costs for a pixel: C * log2 V."""

    @property
    def heat(self) -> NDArray[np.uint8]:
        """The bits of each pixel as colours (H, W, 3): black 0, red, yellow, white `uniform_bits` and above."""
        share = self.bits.sum(0) / self.uniform_bits
        ramps = np.stack([3 * share, 3 * share - 1, 3 * share - 2], -1)
        return (255 * ramps.clip(0, 1)).round().astype(np.uint8)


def score_picture(model: Model, values: NDArray[np.integer]) -> PictureScore:
    """One teacher-forced pass over the picture's values (C, H, W).

    Raises FloatingPointError when the network gives a likelihood that is not finite, ModelError for a model that was
    trained on turned images.
    """
    check_upright(model)
    with torch.inference_mode():
        image = torch.from_numpy(values.astype(np.int64))[None].to(model.device)
        nats = model.network.nats_map(image)[0].double().cpu().numpy()  # (C, H, W)
    total = float(nats.sum())
    if not math.isfinite(total):
        raise FloatingPointError("the network gave a likelihood that is not finite")
    bits = nats / math.log(2)
    config = model.config
    return PictureScore(
        bits=bits.astype(np.float32),
        nats=total,
        bits_per_dim=bits_per_dim(total, config),
        colour_bits=bits.mean((1, 2)).tolist(),
        uniform_bits=config.channels * math.log2(config.values),
    )
