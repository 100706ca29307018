"""The probabilities of the labels of an image that is requested without one: the
priors, or p(label | the given pixels before the first hole)."""

import math
from collections.abc import Generator, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.elementary import log, shares
from model_core.networks import PixelNetwork
from model_core.sampling.stage import Drawing, Stage
from model_core.sampling.stages import new_stage

TOGETHER = 16
"""Labels that are compared side by side, at most: each takes the memory of a slot, and
more are hardly faster."""


def label_shares(
    network: PixelNetwork,
    priors: Sequence[float],
    known: NDArray[np.integer],
    given: NDArray[np.bool_],
    temperature: float,
    slots: int = TOGETHER,
) -> list[float]:
    """Return p(label | given pixels before the hole) for each label, by index; they add
    up to 1. If the first pixel is not given, these are the priors. Each label takes one
    pass over these pixels.

    network: has a label for each prior. All arrays are in its orientation.
    known: values (C, H, W).
    given: bool (H, W), True for given pixels. Only those before the first pixel that is
        not given count, in raster order.
    temperature: divides the logits of pixels.
    slots: labels that may be compared side by side; never more than TOGETHER (16) are.
    """
    before = leading(given)
    if not before.any():
        return list(priors)
    return shares(
        log_p_leading(network, range(len(priors)), known, before, temperature, slots)
        + log(np.array(priors))
    ).tolist()


def leading(given: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return bool (H, W): True for each pixel if it and all pixels before it, in raster
    order, are True in `given`, bool (H, W)."""
    return np.logical_and.accumulate(given.ravel()).reshape(given.shape)


def log_p_leading(
    network: PixelNetwork,
    labels: Sequence[int],
    known: NDArray[np.integer],
    before: NDArray[np.bool_],
    temperature: float,
    slots: int = TOGETHER,
) -> NDArray[np.float64]:
    """Return ln p of the first pixels of an image under each of these labels, (K,).

    known: values (C, H, W).
    before: bool (H, W), the pixels that count, as `leading` returns them.
    temperature: divides the logits.
    slots: labels that may be compared side by side; never more than TOGETHER (16) are.
    """
    slots = min(len(labels), slots, TOGETHER)
    stage = new_stage(network, slots)
    steps = rows_on(stage, slots, labels, known, before, temperature)
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return np.array([math.fsum(each) for each in end.value])


def rows_on(
    stage: Stage,
    slots: int,
    labels: Sequence[int],
    known: NDArray[np.integer],
    before: NDArray[np.bool_],
    temperature: float,
) -> Generator[int, None, NDArray[np.float64]]:
    """Compute ln p of the first pixels of an image for each label and row, in steps:
    yield 0 about once per row, and return (K, H) at the end; 0 for rows without such
    pixels. The bits do not depend on the number of slots.

    stage: has no image in its slots 0 to `slots` - 1, which are used and closed again;
        after an error they stay in use.
    slots: labels that are compared side by side.
    known: values (C, H, W).
    before: bool (H, W), the pixels that count, as `leading` returns them.
    temperature: divides the logits.
    """
    C, (H, W) = len(known), before.shape
    if not before.any():
        return np.zeros((len(labels), H))
    end = (int(before.sum()) - 1) // W
    values = torch.from_numpy(np.ascontiguousarray(known, np.int64))
    keep = torch.from_numpy(np.ascontiguousarray(before))
    # All pixels that the stage reaches are given, so no noise is used.
    none = torch.zeros(H, W, C, dtype=torch.float64)
    rows = []
    for first in range(0, len(labels), slots):
        group = labels[first : first + slots]
        for slot, label in enumerate(group):
            drawing = Drawing(
                none, temperature, values, keep, label=label, weighed=keep
            )
            with torch.inference_mode():
                stage.open(slot, drawing)
            stage.hold(slot, end, W)

        while _step(stage):
            yield 0

        for slot in range(len(group)):
            rows.append(stage.log_p(slot))
            stage.close(slot)
    return np.stack(rows)


def _step(stage: Stage) -> bool:
    with torch.inference_mode():
        return bool(stage.step())
