"""The label of an image that is asked for without one: by the prior, or by what is given before the first hole."""

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
    """p(label | known (C, H, W) where given (H, W), up to the first pixel that is not), all in the network's
    orientation. One pass over these pixels for each label, by the stage that draws, whose bits are the same everywhere.
    """
    before = leading(given)
    if not before.any():
        return list(priors)
    return shares(
        log_p_leading(network, len(priors), known, before, temperature)
        + log(np.array(priors))
    ).tolist()


def leading(given: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """(H, W): where all pixels up to this one, in raster order, are given."""
    return np.logical_and.accumulate(given.ravel()).reshape(given.shape)


def log_p_leading(
    network: PixelNetwork,
    labels: int,
    known: NDArray[np.integer],
    before: NDArray[np.bool_],
    temperature: float,
) -> NDArray[np.float64]:
    """ln p_T of the first pixels of an image, (C, H, W) where before (H, W) is True, under each label (K,)."""
    rows = rows_on(new_stage(network, labels), labels, known, before, temperature)
    return np.array([math.fsum(each) for each in rows])


def rows_on(
    stage: Stage,
    labels: int,
    known: NDArray[np.integer],
    before: NDArray[np.bool_],
    temperature: float,
) -> NDArray[np.float64]:
    """The same of each row (K, H), on a stage that has a slot for each label and no images."""
    C, (H, W) = len(known), before.shape
    if not before.any():
        return np.zeros((labels, H))
    end = (int(before.sum()) - 1) // W
    values = torch.from_numpy(np.ascontiguousarray(known, np.int64))
    keep, none = (
        torch.from_numpy(np.ascontiguousarray(before)),
        torch.zeros(H, W, C, dtype=torch.float64),
    )
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
