"""The expected value of each pixel of a hole while images are still being drawn, for a
caller who shows the progress.

The marginals (marginals.py) come at the end and are better: they also use shares of
values and predictions. This takes one sum for each move of a chain, draws nothing and
changes nothing.
"""

import numpy as np
from numpy.typing import NDArray

from model_core.elementary import total
from model_core.posterior.marginals import Weighted, add_shares

START = 0.1
"""Weight of the images with which a chain begins, relative to that of a move. They are
all there is until the first move."""


class SoFar:
    """A running average of weighted draws, upright."""

    def __init__(
        self, known: NDArray[np.int64], keep: NDArray[np.bool_], categories: int = 0
    ) -> None:
        """known, keep: values (C, H, W), and bool (H, W), True for given pixels.
        categories: number of values if they have no order; 0 if they have one.
        """
        self._known, self._keep = known, keep
        self._sum = np.zeros(known.shape)
        self._shares = np.zeros((categories, *known.shape))
        self._times = np.zeros(keep.shape)
        self._is_new, self._most = False, 0.0

    def add(
        self, draws: Weighted, where: NDArray[np.bool_], times: float = 1.0
    ) -> None:
        """Add the particles of a move that drew the pixels `where` (H, W). The first
        call must be for the whole hole.

        times: number of moves as which they count.
        """
        if len(self._shares):
            add_shares(self._shares, draws, where, times)
        self._sum[:, where] += times * total(
            draws.weights[:, None, None] * draws.images[:, :, where]
        )
        self._times += times * where
        self._most = max(self._most, float(draws.images.max()))
        self._is_new = True

    def news(self) -> NDArray[np.float64] | None:
        """Return the expected value (C, H, W) of each variable at this point, of
        categories the likeliest one; None if nothing was added since the last call."""
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
