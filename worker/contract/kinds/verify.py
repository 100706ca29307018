"""Did the model draw this picture?"""

from typing import Annotated, Self

from pydantic import Field

from worker.contract.changed_card import ChangedCardOptions, Shown
from worker.contract.kind import (
    FOUND,
    Able,
    Asked,
    Input,
    Kind,
    Pixel,
    Shows,
    Summary,
    drawn_values,
)
from worker.contract.labels import SINCE, label_name
from worker.contract.sampling import SamplingOptions


class VerifyOptions(ChangedCardOptions, SamplingOptions):
    """Did the model draw this picture?"""

    sample: Annotated[int, FOUND] = Field(default=0, ge=0)
    """The number of the sample that is drawn again."""
    drawn_with: Annotated[str, FOUND] = ""
    """The arithmetic that the picture says it was drawn with; empty when it does not say."""
    label: Annotated[str | None, FOUND, SINCE] = None
    """Name of the label that the picture says it was drawn with."""

    def settled(self, model: Able, n: int) -> Self:
        settled = super().settled(model, n)
        return (
            settled
            if self.label is None
            else settled.model_copy(update={"label": label_name(self.label, model)})
        )

    def work(self, job: Asked) -> int:
        return drawn_values(job, job.height * job.width)

    def room(self, job: Asked) -> int:
        return 2 * 1024 + 40 * job.n


class VerifySummary(Summary):
    """Does the model draw the picture again, byte by byte, from the seed that the picture names?"""

    verified: bool = Field(
        description="Every pixel is the one that the model draws with this seed."
    )
    sample: int = Field(
        ge=0, description="The number of the sample that was drawn again."
    )
    changed_pixels: int = Field(
        ge=0,
        description="How many pixels are others. Few: the picture was changed there. Many: it was drawn otherwise, "
        "with another seed or temperature.",
    )
    changed: tuple[Pixel, ...] = Field(
        default=(), description="Places of them, row by row; of many the first 16."
    )


KIND = Kind(
    "verify",
    "verification",
    """Did the model draw this picture, with the seed that it names? It draws the picture again, and every pixel must be
    the same: `result.verified`; `result.changed` names those that are not.

    For samples only. A completion or an upsampling depends on what was given, which its picture does not say. A picture
    that was drawn with other numerics than the workers' cannot be told, and the job fails with `not-verifiable`.
    """,
    Input.DRAWN_PICTURE,
    VerifyOptions,
    order="worker.orders.pictures:build",
    carried_out="worker.engine.kinds.verify:verified",
    draws_small=True,
    shows=Shows.GIVEN,
    summary=VerifySummary,
    shown=Shown,
)
