"""A parsed request that makes a job, as app.services uses it."""

from dataclasses import dataclass

from worker.contract.jobs import Priority
from worker.contract.keys import RESULT_TTL_S
from worker.contract.options import Options

FILES = "image", "mask"
"""All form fields that are pictures. No call that draws takes other files."""


@dataclass(frozen=True)
class JobOptions:
    """What a client may choose for a job, beside its kind, model and pictures."""

    own: Options
    """The options of the job's kind."""
    seed: int | None = None
    """Seed of the noise; None if one is to be chosen."""
    n: int = 1
    """Number of images."""
    temperature: float = 1.0
    """Temperature of the draws."""
    priority: Priority | None = None
    """Priority; None if it follows from the number of images."""
    retention: int = RESULT_TTL_S
    """Seconds for which results are kept after the job's end."""
    webhook: str = ""
    """Address that is called when the job ends; empty for none."""


@dataclass(frozen=True)
class PictureTerms:
    """How uploaded pictures are adapted to the model."""

    resize: bool = False
    """True if a picture of another size is stretched to the model's; False if it is an
    error."""
    nearest: bool = False
    """True if a colour that is missing from the model's palette becomes the nearest
    one; False if it is an error."""
