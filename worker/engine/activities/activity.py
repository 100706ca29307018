"""The interface of an activity, one kind of work in the drawing thread, and what all
activities are given."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Protocol

import numpy as np
import structlog
from numpy.typing import NDArray

from worker.contract.jobs import JobError
from worker.engine.deadlines import Deadlines
from worker.engine.failures import is_gpu_error, is_out_of_memory
from worker.engine.usage_reports import UsageReports
from worker.orders.claims import Claim, Outcome, failed
from worker.orders.completion import ParticleOrder
from worker.orders.files import FileOrder
from worker.orders.images import NewRow, row_pixels
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
"""Names of the messages about models that `worker.main.Worker` handles."""


class JobOutlet(Protocol):
    """Receives what activities report about jobs: rows, progress and ends."""

    def publish(self, rows: Mapping[str, Sequence[NewRow]], /) -> None:
        """Publish new rows of some jobs: token -> rows in order."""
        ...

    def progress(self, token: str, share: float, estimate: str = "", /) -> None:
        """Report the progress of a job, 0 to 1, and an estimate (`estimate_entry`)."""
        ...

    def end(self, token: str, outcome: Outcome, /) -> None:
        """Report the end of a job, after its last rows."""
        ...

    def exhausted(self, token: str, /) -> None:
        """Report that memory ran out while this job was drawn. The engine process then
        ends."""
        ...

    def card_failed(self, reason: str, /) -> None:
        """Report that the GPU has failed: all open jobs go back to the queue."""
        ...


class Outlet(JobOutlet, Protocol):
    """Receives everything that the engine process reports to its worker."""

    def report_usage(self, usage: Mapping[str, Usage], stepped_s: float, /) -> None:
        """Report how much each model was used since it was loaded, and the seconds of
        all steps since the start."""
        ...

    def report_model(self, word: ModelWord, /, *arguments: object) -> None:
        """Report an event of a model."""
        ...

    def send(self) -> None:
        """Send everything that was reported since the last call."""
        ...


class ClaimedOrder(Protocol):
    """What an order and a begun job have in common."""

    @property
    def claim(self) -> Claim:
        """The attempt."""
        ...

    @property
    def model(self) -> str:
        """Name of the model in this process (model_pool.py)."""
        ...


@dataclass(frozen=True)
class Surroundings:
    """What all activities are given."""

    outlet: JobOutlet
    """Receives rows, progress and ends."""
    deadlines: Deadlines
    """Set before each turn."""
    usage: UsageReports
    """Counts the steps of each model."""
    pause: Callable[[], None]
    """Sleeps between steps, in tests; otherwise does nothing."""
    served: Collection[str]
    """Names of the models for which new jobs may come. Memory of other models is freed
    as soon as no job draws from them."""
    log: Any = field(default_factory=lambda: structlog.get_logger("runner"))

    def report_failure(
        self,
        order: ClaimedOrder,
        error: Exception,
        fault: Callable[[Exception], JobError],
    ) -> None:
        """Log an unexpected error, and end the job whose work raised it with what
        `fault` returns. A lack of memory and a failed GPU are no fault of the job: then
        `exhausted` or `card_failed` is called instead."""
        self.log.error(
            fault.__name__, model=order.model, job_id=order.claim.job_id, exc_info=error
        )
        if is_out_of_memory(error):
            self.outlet.exhausted(order.claim.token)
        elif is_gpu_error(error):
            self.outlet.card_failed(str(error))
        else:
            self.outlet.end(order.claim.token, failed(fault(error)))


class Activity(Protocol):
    """One kind of work of the drawing thread. It offers work under one or more names;
    the runner gives turns to names and charges them for the time used. An error in
    `turn` or `accept` ends the jobs concerned."""

    orders: ClassVar[tuple[type, ...]]
    """The types of orders that it accepts."""

    def busy(self) -> Sequence[str]:
        """Return the names under which there is work now."""
        ...

    def accept(self, order: Any) -> None:
        """Begin with an order of one of its types; no order has the same token."""
        ...

    def turn(self, name: str) -> None:
        """Do a little of the work under this name: one step, or a few milliseconds."""
        ...

    def orders_under(self, name: str) -> "Sequence[ClaimedOrder]":
        """Return the orders on which a turn of this name may work."""
        ...

    def models(self) -> set[str]:
        """Return the names of all models that its orders use."""
        ...

    def forget(self, token: str) -> None:
        """Free everything that the claim of this token holds here, if anything."""
        ...


def publish_image(
    around: Surroundings,
    order: ParticleOrder | FileOrder,
    sample: int,
    image: NDArray[np.integer],
) -> None:
    """Publish the rows of an image that was drawn or decoded as a whole, without those
    that an earlier attempt published.

    sample: index of the image in the job.
    image: values (C, H, W). Nothing is published for an order without images, which
        asks only for statistics.
    """
    rows = image.transpose(1, 0, 2)  # (H, C, W)
    new = [
        (sample, y, row_pixels(row, order.values), False) for y, row in enumerate(rows)
    ]
    published = order.published[sample] if order.published else len(new)
    if new[published:]:
        around.outlet.publish({order.claim.token: new[published:]})
