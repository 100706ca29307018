"""How improbable a model finds one picture, variable by variable: as numbers and as a
heat map."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.components import BATCH, mixed, window_maps
from model_core.measures.likelihood import scoring_model
from model_core.models import Model
from model_core.orientation import Orientation, turn_back
from model_core.windows import Window

FLOAT_BYTES = 4


@dataclass(frozen=True)
class PictureScore:
    """The likelihood of one picture, in total and variable by variable; `score_picture`
    makes it. A component is a member network of the model with one of its labels."""

    bits: NDArray[np.float32]
    """(C, H, W): -log2 p of each variable given the variables that `member` draws
    before it, and given `label` if the model has labels. In a Multi-Scale model the
    variables of the small image are counted where its pixels are taken from."""
    nats: float
    """-ln p of the picture under the model. If the model has several components, this
    is not the sum of the bits."""
    member: Orientation
    """Orientation of the member whose bits these are: that of the component under which
    the picture is likeliest."""
    label: int | None
    """Index of that component's label; None without labels."""
    member_nats: float
    """-ln p under that component: the sum of the bits, in nats."""
    bits_per_dim: float
    """`nats` in bits, per variable of the picture."""
    colour_bits: list[float]
    """Mean bits per variable of each colour."""
    uniform_bits: float
    """Bits per pixel under the uniform distribution: C * log2 V."""

    @property
    def heat(self) -> NDArray[np.uint8]:
        """The bits of each pixel as RGB bytes (H, W, 3): 0 bits is black, then red,
        then yellow, and white at `uniform_bits` and above."""
        share = self.bits.sum(0) / self.uniform_bits
        ramps = np.stack([3 * share, 3 * share - 1, 3 * share - 2], -1)
        return (255 * ramps.clip(0, 1)).round().astype(np.uint8)


LOGIT_COPIES = 3.5
STREAM_COPIES = 15
PASS_BESIDE = 5 * 2**19
"""Upper bounds of the memory of a pass at its peak: LOGIT_COPIES times its logits,
STREAM_COPIES times a map as large as the stream, and this many bytes. They were
measured with the served models; tests/worker/engine/test_planned_memory.py measures
them again."""


def pass_bytes(model: Model) -> int:
    """Return an upper bound of the bytes that `score_picture` takes for one picture of
    the model's size, in addition to the weights."""
    config = model.config
    pixels = config.height * config.width
    logits = LOGIT_COPIES * pixels * config.channels * config.values
    stream = STREAM_COPIES * pixels * 2 * config.hidden
    # The labels of a member share a pass.
    together = min(BATCH, max(1, config.labels))
    return PASS_BESIDE + int(FLOAT_BYTES * together * max(logits, stream))


def score_picture(model: Model, values: NDArray[np.integer]) -> PictureScore:
    """Return the score of a picture, by one teacher-forced pass of each component; for
    a field, a picture larger than the model's images, one pass for each of its windows.

    values: (C, H, W), integers 0..V-1.

    Raises FloatingPointError if the likelihood is not finite; ConfigError for a field
    if the model cannot draw fields.
    """
    *_, score = score_steps(model, values)
    assert isinstance(score, PictureScore)
    return score


def score_steps(
    model: Model, values: NDArray[np.integer]
) -> Iterator[float | PictureScore]:
    """Score a picture in steps: for a field, a picture larger than the model's images,
    yield after each window the share that is done, 0 to 1; at last yield the score.

    values: (C, H, W), integers 0..V-1.

    Raises FloatingPointError if the likelihood is not finite; ConfigError for a field
    if the model cannot draw fields.
    """
    image = torch.from_numpy(values.astype(np.int64))[None].to(model.device)
    model, windows = scoring_model(model, image)
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
    likeliest = model.components[best]
    bits = turn_back(maps[best], likeliest.orientation).numpy() / math.log(2)
    channels = model.config.channels
    yield PictureScore(
        bits=bits.astype(np.float32),
        nats=total,
        member=likeliest.orientation,
        label=likeliest.label,
        member_nats=float(sums[best]),
        bits_per_dim=total / (math.log(2) * bits.size),
        colour_bits=bits.mean((1, 2)).tolist(),
        uniform_bits=channels * likeliest.network.distribution.uniform_bits,
    )
