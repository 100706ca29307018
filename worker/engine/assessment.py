"""What is computed about a job's images once they are drawn: scores and receipts, one
pass at a time. Only the drawing thread uses it."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_core.measures.picture_score import score_picture
from model_core.models import Model
from model_core.posterior.completion import Receipt, drawn_receipt_steps
from model_core.posterior.marginals import Marginals
from model_core.posterior.targets import Target
from worker.contract.kinds.complete import CompletionSummary
from worker.contract.kinds.complete import Receipt as ReceiptSummary
from worker.engine.kinds import OF_PICTURES
from worker.engine.stored import map_bytes, success
from worker.orders.claims import Claim, Outcome
from worker.orders.drawing import Hole
from worker.orders.pictures import PictureOrder

Findings = tuple[Receipt, Marginals]
"""Receipt and maps of a completion by `posterior`: how accurate its images are, and the
expected value and entropy of each variable."""


@dataclass
class Assessment:
    """A claimed job whose images are drawn, with what was computed about them so
    far."""

    claim: Claim
    """The attempt."""
    model: str
    """The engine's name of the model."""
    images: NDArray[np.integer]
    """The drawn images as values (n, C, H, W)."""
    rank: bool = False
    """True if each image is to be scored."""
    label: int | None = None
    """Index of the label that scores and completion are given; None for all labels."""
    hole: Hole | None = None
    """The hole, if the images are exact draws by `posterior` that need a receipt; else
    None."""
    found: Findings | None = None
    """Receipt and maps, once they are known."""
    values: int | None = None
    """Number of different values of a byte, if there are maps."""
    nats: list[float] = field(default_factory=list)
    """-ln p of the first images, as far as they are scored."""
    receipt_steps: Iterator[Findings | None] | None = None
    """The steps that compute the receipt, once begun."""

    @property
    def wants_receipt(self) -> bool:
        """True if the images are exact draws and have no receipt yet; draws by
        particles bring theirs."""
        return self.hole is not None and self.found is None

    @property
    def wants_scores(self) -> bool:
        """True if complete images must still be scored for a ranking."""
        return self.rank and len(self.nats) < len(self.images)


@dataclass
class StartedJob:
    """A claimed job about a picture that runs in steps, and has been begun."""

    order: PictureOrder
    """The job's order."""
    steps: Iterator[float | Outcome]
    """Yields the progress, 0 to 1, after each step, and at last the Outcome."""
    reported: float = 0.0
    """The progress that was last reported."""

    @property
    def claim(self) -> Claim:
        return self.order.claim

    @property
    def model(self) -> str:
        return self.order.model


Pass = PictureOrder | StartedJob | Assessment
"""Work that a model does in passes, between the steps of drawing."""


def make_pass(
    task: Pass, model: Model, models: Callable[[str], Model] | None = None
) -> Outcome | StartedJob | float | None:
    """Make one pass of a task. Return the job's outcome, or, while it needs more
    passes, a StartedJob, its progress (0 to 1) or None.

    models: returns a model by its name in this process, for a task that uses a second
        one.
    """
    if isinstance(task, StartedJob):
        return next(task.steps)
    if isinstance(task, PictureOrder):
        second = task.job.options.second_model
        others = (models(second),) if second and models else ()
        found = OF_PICTURES[task.job.kind](task, model, *others)
        return found if isinstance(found, Outcome) else StartedJob(task, found)
    model = model.given(task.label)
    if task.wants_receipt:
        assert task.hole is not None
        task.receipt_steps = task.receipt_steps or _receipt_steps(
            task.hole, task.images, model
        )
        task.found = next(task.receipt_steps)
    elif task.wants_scores:
        task.nats.append(score_picture(model, task.images[len(task.nats)]).nats)
    return assessment_outcome(task, [label.name for label in model.card.labels])


def assessment_outcome(task: Assessment, names: Sequence[str] = ()) -> Outcome | None:
    """Return the job's outcome, or None while a score or a receipt is missing.

    names: those of the model's labels.
    """
    if task.wants_receipt or task.wants_scores:
        return None
    receipt, maps = task.found or (None, None)
    if receipt is not None and not len(task.images):
        receipt = receipt.of_no_image
    summary = CompletionSummary(
        sample_nats=tuple(task.nats) if task.rank else None,
        posterior=None
        if receipt is None
        else ReceiptSummary(**receipt_fields(receipt, names)),
        values=None if maps is None else task.values,
    )
    if maps is None:
        return success(summary)
    return success(
        summary, mean=map_bytes(maps.mean), entropy=map_bytes(maps.entropy_bits)
    )


def receipt_fields(receipt: Receipt, names: Sequence[str]) -> dict[str, Any]:
    """Return the fields of a receipt, with the label's name instead of its index.

    names: those of the model's labels, by index.
    """
    fields = receipt.to_dict()
    label = fields.get("label")
    return fields if label is None else {**fields, "label": names[label]}


def _receipt_steps(
    hole: Hole, images: NDArray[np.integer], model: Model
) -> Iterator[Findings | None]:
    given = hole.given
    assert given.values is not None
    assert given.keep is not None
    target = Target.of(model, given.values, given.keep, hole.temperature)
    return drawn_receipt_steps(target, images, hole.seed, hole.first)


def pace_of(task: Pass) -> str:
    """Return a word for how long a pass of a task takes: passes with the same word take
    about as long."""
    if not isinstance(task, Assessment):
        job = (task.order if isinstance(task, StartedJob) else task).job
        return job.options.pace or job.kind
    return "receipt" if task.wants_receipt else "score"
