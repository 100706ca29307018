"""What the worker asks of the engine. Plain values that nobody changes: no Redis, no queue."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.contract.jobs import Pixel, Priority
from worker.orders.claims import Claim
from worker.orders.images import PlannedImage


@dataclass(frozen=True)
class DrawOrder:
    """A claimed job with the images that still lack rows."""

    claim: Claim
    model: str
    values: int
    """How many values a colour takes: rows become bytes by it."""
    images: Sequence[PlannedImage]
    priority: Priority = Priority.INTERACTIVE
    drawn: NDArray[np.integer] | None = None
    """Of a job whose images are to be ranked: all of them as values (n, C, H, W), as far as earlier attempts came."""


@dataclass(frozen=True)
class ScoreOrder:
    """A claimed job with the picture that is to be scored, as values (C, H, W)."""

    claim: Claim
    model: str
    values: NDArray[np.integer]
    quantised_pixels: int
    """How many of its pixels are not quite those that were sent."""
    pixel: Pixel | None = None
    """Whose expected values are wanted too."""


Order = DrawOrder | ScoreOrder
"""All that the engine's thread takes."""
