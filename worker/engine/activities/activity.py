"""One kind of work among those that take turns, and what all of them are given."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from worker.contract.jobs import JobError
from worker.engine.deadlines import Deadlines
from worker.engine.failures import is_card_error, is_out_of_memory
from worker.engine.usage_told import UsageTold
from worker.orders.claims import Claim, Outcome, failed
from worker.orders.files import FileOrder
from worker.orders.images import NewRow, row_pixels
from worker.orders.kinds.complete import ParticleOrder
from worker.orders.usage import Usage

ModelWord = Literal[
    "brought",
    "compiled",
    "coming",
    "served",
    "dropped",
    "refused",
    "examined",
    "draft_gone",
    "unloadable",
]


class JobOutlet(Protocol):
    """Takes what is said of jobs: rows and ends."""

    def publish(self, rows: Mapping[str, Sequence[NewRow]], /) -> None: ...
    def progress(self, token: str, share: float, estimate: str = "", /) -> None: ...
    def end(self, token: str, outcome: Outcome, /) -> None: ...
    def exhausted(self, token: str, /) -> None:
        """Its work met a lack of memory. Nothing more is done here."""
        ...

    def card_failed(self, reason: str, /) -> None:
        """Report that the GPU has failed: all open jobs go back to the queue."""
        ...


class Outlet(JobOutlet, Protocol):
    """Takes everything that an engine says. The engine's process writes it to its worker."""

    def used(self, usage: Mapping[str, Usage], /) -> None: ...
    def tell(self, word: ModelWord, /, *arguments: object) -> None:
        """Say what became of a model, in one of the words that Worker follows."""
        ...

    def send(self) -> None:
        """Send what was said so far."""
        ...


class Broken(Protocol):
    """An order whose work broke off."""

    @property
    def claim(self) -> Claim: ...
    @property
    def model(self) -> str: ...


@dataclass(frozen=True)
class Surroundings:
    """The things that all activities are given. pause(): sleep, in tests. served: the models that new jobs may come
    for; what others need in memory is there only while they are drawn from."""

    outlet: JobOutlet
    deadlines: Deadlines
    usage: UsageTold
    pause: Callable[[], None]
    served: Collection[str]
    log: Any = field(default_factory=lambda: structlog.get_logger("runner"))

    def broke_off(
        self, order: Broken, error: Exception, fault: Callable[[Exception], JobError]
    ) -> None:
        """End a job whose work raised an unexpected error: it fails, unless the error
        is a lack of memory or a failed card, for which no job can be blamed."""
        self.log.error(
            fault.__name__, model=order.model, job_id=order.claim.job_id, exc_info=error
        )
        if is_out_of_memory(error):
            self.outlet.exhausted(order.claim.token)
        elif is_card_error(error):
            self.outlet.card_failed(str(error))
        else:
            self.outlet.end(order.claim.token, failed(fault(error)))


class Activity(Protocol):
    """Takes orders of some types, and has work under some names, each of which is charged for its turns."""

    orders: ClassVar[tuple[type, ...]]

    def busy(self) -> Sequence[str]:
        """The names under which there is work now."""
        ...

    def accept(self, order: Any) -> None:
        """Begin with an order of one of its types; its token must be new."""
        ...

    def turn(self, name: str) -> None:
        """Do a little of the work under this name."""
        ...

    def orders_under(self, name: str) -> "Sequence[Broken]":
        """The orders whose work a turn of this name may be about."""
        ...

    def models(self) -> set[str]:
        """Return the names in the engine of all models that its orders use."""
        ...

    def forget(self, token: str) -> None:
        """Free everything that the claim holds here, if it holds anything."""
        ...


def publish_image(
    around: Surroundings,
    order: ParticleOrder | FileOrder,
    sample: int,
    image: NDArray[np.integer],
) -> None:
    """Publish the rows of an image (C, H, W) of values that was drawn or decoded as a
    whole, without those that an earlier attempt published.

    sample: the image's number in the job. An order without images publishes nothing.
    """
    rows = image.transpose(1, 0, 2)  # (H, C, W)
    new = [
        (sample, y, row_pixels(row, order.values), False) for y, row in enumerate(rows)
    ]
    published = order.published[sample] if order.published else len(new)
    if new[published:]:
        around.outlet.publish({order.claim.token: new[published:]})
