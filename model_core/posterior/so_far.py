"""The expectation of each pixel of a hole while images are still being drawn, for whoever looks on.

The marginals (marginals.py) come at the end and know more: shares of values, and what is predicted. This costs a sum
for each move of a chain, draws nothing, and changes nothing.
"""

import numpy as np
from numpy.typing import NDArray

from model_core.elementary import total
from model_core.posterior.marginals import Weighted, add_shares

START = 0.1
"""Weight of the images that a chain begins with, beside that of one move: they are all there is, until it moves."""


class SoFar:
    """Averages weighted draws, the right way up. known (C, H, W) where keep (H, W) is True. categories: how many values
    without order there are; 0: they have one."""

    def __init__(
        self, known: NDArray[np.int64], keep: NDArray[np.bool_], categories: int = 0
    ) -> None:
        self._known, self._keep = known, keep
        self._sum = np.zeros(known.shape)
        self._shares = np.zeros((categories, *known.shape))
        self._times = np.zeros(keep.shape)
        self._is_new, self._most = False, 0.0

    def add(
        self, draws: Weighted, where: NDArray[np.bool_], times: float = 1.0
    ) -> None:
        """The particles of a move that drew the pixels `where` (H, W); they count as so many moves. The first ones are
        of the whole hole."""
        if len(self._shares):
            add_shares(self._shares, draws, where, times)
        self._sum[:, where] += times * total(
            draws.weights[:, None, None] * draws.images[:, :, where]
        )
        self._times += times * where
        self._most = max(self._most, float(draws.images.max()))
        self._is_new = True

    def news(self) -> NDArray[np.float64] | None:
        """The expected value (C, H, W) of each variable by now, the likeliest of categories; None where nothing came
        since it was asked last."""
        if not self._is_new:
            return None
        self._is_new = False
        expected = np.minimum(
            self._sum / np.where(self._keep, 1.0, self._times), self._most
        )  # weights are rounded
        return np.where(
            self._keep,
            self._known,
            self._shares.argmax(0) if len(self._shares) else expected,
        ).astype(float)
