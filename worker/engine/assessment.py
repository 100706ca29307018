"""The assessment of a job's images once they are drawn: state of the engine's thread, one step of it at a time."""

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model_core.posterior.completion import Receipt
from model_core.posterior.marginals import Marginals
from worker.orders.claims import Claim
from worker.orders.orders import Hole, ScoreOrder, VerifyOrder

Found = tuple[Receipt, Marginals]
"""How good the images of a completion by `posterior` are, and what is expected of each pixel."""


@dataclass
class Assessment:
    """A claimed job whose images (n, C, H, W) are drawn, and what was found of them so far."""

    claim: Claim
    model: str
    images: NDArray[np.integer]
    rank: bool = False
    """Each image is to be scored."""
    hole: Hole | None = None
    """They are exact draws of the posterior of this hole, which want a receipt."""
    found: Found | None = None
    """The receipt, and the maps that are kept with it."""
    values: int | None = None
    """How many values a colour takes, where there are maps."""
    nats: list[float] = field(default_factory=list)
    """Nats of the first images."""
    receipt_steps: Iterator[Found | None] | None = None

    @property
    def wants_receipt(self) -> bool:
        """True for exact draws that have no receipt yet; draws by particles bring theirs."""
        return self.hole is not None and self.found is None

    @property
    def wants_scores(self) -> bool:
        return self.rank and len(self.nats) < len(self.images)


Pass = ScoreOrder | VerifyOrder | Assessment
"""Work that a model does in passes, between the steps of what is drawn."""


def kind_of(task: Pass) -> str:
    """Passes of one kind take about as long."""
    if isinstance(task, Assessment) and task.wants_receipt:
        return "receipt"
    return "influence" if isinstance(task, ScoreOrder) and task.influence else "score"
