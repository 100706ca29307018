"""What admission asks of the engine thread. Plain values: no Redis, no queue."""

from collections.abc import Sequence
from dataclasses import dataclass, field

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
    """Of a job whose images are ranked: all of them as values (n, C, H, W), with the rows of earlier attempts; the
    engine thread puts its own rows in."""


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


@dataclass(frozen=True)
class RankOrder:
    """A claimed job whose images (n, C, H, W) are drawn and are to be scored, one pass each. `nats`: of the first ones,
    as far as it has come."""

    claim: Claim
    model: str
    images: NDArray[np.integer]
    nats: list[float] = field(default_factory=list)


Order = DrawOrder | ScoreOrder
