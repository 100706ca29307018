"""The assessment of a job's images once they are drawn: state of the engine's thread, one step of it at a time."""

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
from worker.contract.kinds.complete import Receipt as ToldReceipt
from worker.engine.kinds import OF_PICTURES
from worker.engine.stored import stored, succeeded
from worker.orders.claims import Claim, Outcome
from worker.orders.drawing import Hole
from worker.orders.pictures import PictureOrder

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
    label: int | None = None
    """The label of which it is scored, and the hole completed; None: all."""
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


@dataclass
class Started:
    """A claimed job about a picture that is carried out in steps, and has been begun."""

    order: PictureOrder
    steps: Iterator[float | Outcome]
    told: float = 0.0
    """How much of it was done when that was last told, 0 to 1."""

    @property
    def claim(self) -> Claim:
        return self.order.claim

    @property
    def model(self) -> str:
        return self.order.model


Pass = PictureOrder | Started | Assessment
"""Work that a model does in passes, between the steps of what is drawn."""


def passed(
    task: Pass, model: Model, models: Callable[[str], Model] | None = None
) -> Outcome | Started | float | None:
    """One pass: the end; or what was begun, or how far it is, 0 to 1, or None, while it needs more. models: by name,
    for a task that asks a second one.

    FloatingPointError when the network gives numbers that are not finite.
    """
    if isinstance(task, Started):
        return next(task.steps)
    if isinstance(task, PictureOrder):
        second = task.job.options.second_model
        others = (models(second),) if second and models else ()
        found = OF_PICTURES[task.job.kind](task, model, *others)
        return found if isinstance(found, Outcome) else Started(task, found)
    model = model.given(task.label)
    if task.wants_receipt:
        assert task.hole is not None
        task.receipt_steps = task.receipt_steps or _receipt_steps(
            task.hole, task.images, model
        )
        task.found = next(task.receipt_steps)
    elif task.wants_scores:
        task.nats.append(score_picture(model, task.images[len(task.nats)]).nats)
    return assessed(task, [label.name for label in model.card.labels])


def assessed(task: Assessment, names: Sequence[str] = ()) -> Outcome | None:
    """The job's end; None while something is still to be found. names: of the model's labels."""
    if task.wants_receipt or task.wants_scores:
        return None
    receipt, maps = task.found or (None, None)
    if receipt is not None and not len(task.images):
        receipt = receipt.of_no_image
    summary = CompletionSummary(
        sample_nats=tuple(task.nats) if task.rank else None,
        posterior=None if receipt is None else ToldReceipt(**_told(receipt, names)),
        values=None if maps is None else task.values,
    )
    if maps is None:
        return succeeded(summary)
    return succeeded(summary, mean=stored(maps.mean), entropy=stored(maps.entropy_bits))


def _told(receipt: Receipt, names: Sequence[str]) -> dict[str, Any]:
    """The receipt, in which a label has its name."""
    told = receipt.to_dict()
    label = told.get("label")
    return told if label is None else {**told, "label": names[label]}


def _receipt_steps(
    hole: Hole, images: NDArray[np.integer], model: Model
) -> Iterator[Found | None]:
    given = hole.given
    assert given.values is not None
    assert given.keep is not None
    target = Target.of(model, given.values, given.keep, hole.temperature)
    return drawn_receipt_steps(target, images, hole.seed, hole.first)


def pace_of(task: Pass) -> str:
    """Passes of one pace take about as long."""
    if not isinstance(task, Assessment):
        job = (task.order if isinstance(task, Started) else task).job
        return job.options.pace or job.kind
    return "receipt" if task.wants_receipt else "score"
