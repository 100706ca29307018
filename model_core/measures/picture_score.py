"""How likely a model finds one picture, variable by variable: as numbers and as a heat map of its surprise."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.components import mixed, window_maps
from model_core.measures.likelihood import scored
from model_core.models import Model
from model_core.orientation import Orientation, turn_back
from model_core.windows import Window


@dataclass(frozen=True)
class PictureScore:
    """bits (C, H, W) of each variable given those before it in the order of one member, and its label if it has any; of
    a Multi-Scale model with the small image's bits added where its pixels were taken."""

    bits: NDArray[np.float32]
    nats: float
    """-ln p of the model; of one of several components that is not the sum of the bits."""
    member: Orientation
    """The one whose bits these are: that of the component that finds the picture likeliest."""
    label: int | None
    """The label of that component; None where there are none."""
    member_nats: float
    """-ln p of that component: the sum of the bits, in nats."""
    bits_per_dim: float
    colour_bits: list[float]
    """Mean bits of each colour."""
    uniform_bits: float
    """Bits of a pixel under a uniform guess: C * log2 V."""

    @property
    def heat(self) -> NDArray[np.uint8]:
        """The bits of each pixel as colours (H, W, 3): black 0, red, yellow, white `uniform_bits` and above."""
        share = self.bits.sum(0) / self.uniform_bits
        ramps = np.stack([3 * share, 3 * share - 1, 3 * share - 2], -1)
        return (255 * ramps.clip(0, 1)).round().astype(np.uint8)


def score_picture(model: Model, values: NDArray[np.integer]) -> PictureScore:
    """One teacher-forced pass for each component of the model over the picture's values (C, H, W), or over each window
    of a larger one.

    Raises FloatingPointError when a network gives a likelihood that is not finite.
    """
    *_, score = score_steps(model, values)
    assert isinstance(score, PictureScore)
    return score


def score_steps(
    model: Model, values: NDArray[np.integer]
) -> Iterator[float | PictureScore]:
    """The same window by window: the share that is done, and at last the score."""
    image = torch.from_numpy(values.astype(np.int64))[None].to(model.device)
    model, windows = scored(model, image)
    parts: list[Tensor] = []
    for window in windows or [Window(0, 0, image.shape[-2])]:
        with torch.inference_mode():
            parts += window_maps(model.components, image, [window])
        if windows is not None:
            yield window.end / windows.rows
    maps = torch.cat(parts, -2)[:, 0].double().cpu()
    sums = maps.sum((1, 2, 3))
    if not sums.isfinite().all():
        raise FloatingPointError("the network gave a likelihood that is not finite")
    total = -float(mixed(-sums[:, None], model.components))
    best = int(sums.argmin())
    found = model.components[best]
    bits = turn_back(maps[best], found.orientation).numpy() / math.log(2)
    channels = model.config.channels
    yield PictureScore(
        bits=bits.astype(np.float32),
        nats=total,
        member=found.orientation,
        label=found.label,
        member_nats=float(sums[best]),
        bits_per_dim=total / (math.log(2) * bits.size),
        colour_bits=bits.mean((1, 2)).tolist(),
        uniform_bits=channels * found.network.distribution.uniform_bits,
    )
