"""The probabilities of the labels of an image that is requested without one: the
priors, or p(label | the given pixels before the first hole)."""

import math
from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from model_core.elementary import log, shares
from model_core.networks import PixelNetwork
from model_core.sampling.stage import Drawing, Stage
from model_core.sampling.stages import new_stage


def label_shares(
    network: PixelNetwork,
    priors: Sequence[float],
    known: NDArray[np.integer],
    given: NDArray[np.bool_],
    temperature: float,
) -> list[float]:
    """Return p(label | given pixels before the hole) for each label, by index; they add
    up to 1. If the first pixel is not given, these are the priors as they are.

    network: has a label for each prior.
    known: values (C, H, W).
    given: bool (H, W), the pixels that are given. Only those before the first pixel
        that is not given count, in raster order.
    temperature: divides the logits of pixels.

    All are in the network's orientation. Each label takes one pass over these pixels,
    by the stage that draws, whose bits are the same everywhere.

    Raises FloatingPointError if logits are not finite. For weights on a card:
    torch.AcceleratorError or RuntimeError if the card fails.
    """
    before = leading(given)
    if not before.any():
        return list(priors)
    return shares(
        log_p_leading(network, len(priors), known, before, temperature)
        + log(np.array(priors))
    ).tolist()


def leading(given: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return a map, bool (H, W), of the pixels before the first one that is not given:
    True if the pixel and all before it, in raster order, are True in `given`, bool (H,
    W)."""
    return np.logical_and.accumulate(given.ravel()).reshape(given.shape)


def log_p_leading(
    network: PixelNetwork,
    labels: int,
    known: NDArray[np.integer],
    before: NDArray[np.bool_],
    temperature: float,
) -> NDArray[np.float64]:
    """Return ln p of the first pixels of an image under each label, (K,).

    labels: K, the number of labels.
    known: values (C, H, W).
    before: bool (H, W), the pixels that count, as `leading` returns them.
    temperature: divides the logits.

    Raises FloatingPointError if logits are not finite. For weights on a card:
    torch.AcceleratorError or RuntimeError if the card fails.
    """
    rows = rows_on(new_stage(network, labels), labels, known, before, temperature)
    return np.array([math.fsum(each) for each in rows])


def rows_on(
    stage: Stage,
    labels: int,
    known: NDArray[np.integer],
    before: NDArray[np.bool_],
    temperature: float,
) -> NDArray[np.float64]:
    """Return ln p of the first pixels of an image for each label and row, (K, H); 0 for
    rows without such pixels.

    stage: has at least K slots (numbered places for one image each), and no image in
        any slot. The slots 0 to K - 1 are used and closed again; after an error they
        stay in use.
    labels: K, the number of labels.
    known: values (C, H, W).
    before: bool (H, W), the pixels that count, as `leading` returns them.
    temperature: divides the logits.

    Raises FloatingPointError if logits are not finite, torch.AcceleratorError if a card
    that draws fails.
    """
    C, (H, W) = len(known), before.shape
    if not before.any():
        return np.zeros((labels, H))
    end = (int(before.sum()) - 1) // W
    values = torch.from_numpy(np.ascontiguousarray(known, np.int64))
    keep = torch.from_numpy(np.ascontiguousarray(before))
    # All pixels that the stage reaches are given, so no noise is used.
    none = torch.zeros(H, W, C, dtype=torch.float64)
    with torch.inference_mode():
        for label in range(labels):
            stage.open(
                label,
                Drawing(none, temperature, values, keep, label=label, weighed=keep),
            )
            stage.hold(label, end, W)
        while stage.step():
            pass
    rows = np.stack([stage.log_p(label) for label in range(labels)])
    for label in range(labels):
        stage.close(label)
    return rows
