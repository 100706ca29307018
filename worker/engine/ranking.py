"""How far the ranking of a job's images has come: state of the engine's thread, one pass of the model at a time."""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from worker.orders.claims import Claim


@dataclass
class Ranking:
    """A claimed job whose images (n, C, H, W) are drawn and are to be scored. `nats`: of the first ones, so far."""

    claim: Claim
    model: str
    images: NDArray[np.integer]
    nats: list[float] = field(default_factory=list)
