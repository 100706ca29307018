"""What admission asks of the engine thread. Plain values: no Redis, no queue."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.claims import Claim
from worker.contract.jobs import Priority
from worker.images import PlannedImage


@dataclass(frozen=True)
class DrawOrder:
    """A claimed job with the images that still lack rows."""

    claim: Claim
    model: str
    values: int
    """How many values a colour takes: rows become bytes by it."""
    images: Sequence[PlannedImage]
    priority: Priority = Priority.INTERACTIVE


@dataclass(frozen=True)
class ScoreOrder:
    """A claimed job with the picture that is to be scored, as values (C, H, W)."""

    claim: Claim
    model: str
    values: NDArray[np.integer]
    quantised_pixels: int
    """How many of its pixels are not quite those that were sent."""


Order = DrawOrder | ScoreOrder
