"""A request to draw once it has been read: what app.services takes of it."""

from dataclasses import dataclass

from worker.contract.jobs import Priority
from worker.contract.keys import RESULT_TTL_S
from worker.contract.kind import Options

FILES = "image", "mask"
"""All fields of forms that are pictures. No call that draws takes other files."""


@dataclass(frozen=True)
class JobOptions:
    """Everything that a client may say of a job, beside its kind, its model and its pictures."""

    own: Options
    """Everything that only jobs of its kind say."""
    seed: int | None = None
    """None: one is drawn."""
    n: int = 1
    temperature: float = 1.0
    priority: Priority | None = None
    retention: int = RESULT_TTL_S
    """Seconds that its results are kept once it has ended."""
    webhook: str = ""
    """Address that is told of the job's end; empty = none."""


@dataclass(frozen=True)
class Taking:
    """The terms on which pictures are taken. resize: one of another size than the model's is stretched to it. nearest:
    other colours than a palette's become the nearest of it."""

    resize: bool = False
    nearest: bool = False
