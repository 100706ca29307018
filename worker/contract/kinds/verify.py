"""Verification: whether a model drew a picture."""

from typing import Annotated, Self

from pydantic import Field

from worker.contract.changed_card import CardChangedField, ChangedCardOptions
from worker.contract.kind import Input, Kind, Pixel, Shows, Summary
from worker.contract.labels import SINCE, label_name
from worker.contract.options import FOUND, Since, drawn_values
from worker.contract.size import FieldOptions
from worker.contract.traits import JobSize, ModelTraits


class VerifyOptions(ChangedCardOptions, FieldOptions):
    """Did the model draw this picture?"""

    sample: Annotated[int, FOUND] = Field(default=0, ge=0)
    """Number of the image that is drawn again, among those of its seed."""
    drawn_with: Annotated[str, FOUND] = ""
    """The arithmetic that the picture names as the one that drew it; empty if it names
    none."""
    label: Annotated[str | None, FOUND, SINCE] = None
    """Name of the label that the picture names; None if it names none."""

    name: Annotated[str, FOUND, Since(10)] = ""
    """The name in the picture's text, if it hashes to the seed; else empty."""

    def for_model(self, model: ModelTraits, n: int) -> Self:
        """Return a copy with the label by name instead of index, and without a `size`
        that is the model's own."""
        found = self.size_for(model)
        if self.label is not None:
            found["label"] = label_name(self.label, model)
        return self.model_copy(update=found)

    def work(self, job: JobSize) -> int:
        """Return the number of values that are drawn again."""
        return drawn_values(job, job.height * job.width)

    def room(self, job: JobSize) -> int:
        """Return an upper bound for the bytes of the summary."""
        return 4 * 1024 + 40 * job.n


class VerifySummary(Summary):
    """The result of a verification: whether the model draws the same pixels again from
    the seed in the picture's text."""

    verified: bool = Field(
        description="True if every pixel is the one that the model draws with this "
        "seed."
    )
    sample: int = Field(ge=0, description="Number of the image that was drawn again.")
    changed_pixels: int = Field(
        ge=0,
        description="Number of pixels that differ. If few differ, the picture was "
        "edited there; if many do, it was drawn otherwise, for example with another "
        "seed or temperature.",
    )
    name: str | None = Field(
        default=None,
        description="The name whose picture this is at `/p/MODEL/NAME.png`, if it is "
        "verified and its text has a name that hashes to the seed; else null.",
    )
    changed: tuple[Pixel, ...] = Field(
        default=(),
        description="Places of the differing pixels, row by row; at most the first 16.",
    )


KIND = Kind(
    "verify",
    "verification",
    """Did the model draw this picture, with the seed in its text? The model draws it
    again, and every pixel must be the same: `result.verified`; `result.changed` lists
    pixels that differ.

    Only for samples: a completion or an upsampling depends on given pixels that its
    picture does not contain. A picture that was drawn with other numerics than the
    workers' cannot be verified, and the job fails with `not-verifiable`.
    """,
    Input.DRAWN_PICTURE,
    VerifyOptions,
    draws_small=True,
    shows=Shows.GIVEN,
    summary=VerifySummary,
    job_fields=CardChangedField,
)
