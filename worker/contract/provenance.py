"""The text in the PNG of a drawn picture that says how it was drawn, read back. Knows no picture's format."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, Json, ValidationError

from worker.contract.jobs import (
    MAX_SEED,
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    VERSION,
)
from worker.contract.kind import MAX_FIRST, NO_PROVENANCE
from worker.contract.kinds import KINDS
from worker.contract.pixel_options import pixel_options
from worker.contract.record import Record
from worker.contract.sampling import SamplingOptions

_MANY = 1 << 20


class ProvenanceError(ValueError):
    """The picture cannot be drawn again from what it says; the text is a sentence that says why."""


class Provenance(Record):
    """Everything that is needed to draw a sample again, or a grid of several in a row."""

    model: str = Field(min_length=1, max_length=64)
    digest: str = Field(max_length=64)
    """sha256 of the weights."""
    identity: str = Field(default="", max_length=64)
    """The model's; empty if the picture does not say."""
    seed: int = Field(ge=0, le=MAX_SEED)
    temperature: float = Field(
        ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE, allow_inf_nan=False
    )
    sample: int = Field(default=0, ge=0, lt=MAX_FIRST + _MANY)
    """The number, among the images of the seed, of the one that is shown, or of the first."""
    samples: int = Field(default=1, ge=1, lt=_MANY)
    """How many are shown."""
    label: str | None = Field(default=None, max_length=64)
    """Name of the label of all that are shown; None if the picture does not say."""
    labels: Json[tuple[str, ...]] | None = None
    """Names of the labels of several, where they are not the same."""
    options: SamplingOptions = SamplingOptions()
    """The other options that change pixels."""
    numerics: str = ""
    """The arithmetic that drew it, or those that took turns; empty if the picture does not say."""

    def label_of(self, i: int) -> str | None:
        """Name of the label of picture i of those that are shown; None if that is not said, and was the noise's."""
        return self.label if self.labels is None else self.labels[i]

    def expect_labels(self, names: Sequence[str]) -> None:
        """Raises ProvenanceError if the picture says a label that the model, which has these, does not have."""
        said = self.labels or ([] if self.label is None else [self.label])
        if strange := next((label for label in said if label not in names), None):
            raise ProvenanceError(
                f"it was drawn with the label {strange!r}, which the model's card does not name now"
            )

    @classmethod
    def of(cls, text: Mapping[str, str]) -> Self:
        """Read a PNG's keywords and texts.

        Raises ProvenanceError if it is no sample of ours, or if a later version drew it
        with an option that is not known here.
        """
        kind = KINDS.get(text.get("kind", ""))
        if why_not := NO_PROVENANCE if kind is None else kind.why_no_provenance:
            raise ProvenanceError(why_not)
        _expect_version(text.get("version", ""))

        own: dict[str, Any] = {
            name: text[name] for name in text if name in cls.model_fields
        }
        names = pixel_options(SamplingOptions)
        own["options"] = {name: text[name] for name in names if name in text}
        try:
            found = cls.model_validate(own)
        except ValidationError as error:
            place = error.errors()[0]["loc"]
            raise _makes_no_sense(str(place[-1])) from None
        if found.labels is not None and len(found.labels) != found.samples:
            raise _makes_no_sense("labels")
        return found


def _makes_no_sense(keyword: str) -> ProvenanceError:
    return ProvenanceError(
        f"what the picture says of how it was drawn makes no sense: {keyword}"
    )


def _expect_version(text: str) -> None:
    """Raise ProvenanceError if a picture can be verified only by a later version.

    text: the first version of a job's description that can say all options of the
    picture; empty in pictures of 0.3 and before, which have no later options.
    """
    if not text:
        return
    if not (text.isdecimal() and text.isascii() and len(text) < 6):
        raise _makes_no_sense("version")
    if int(text) > VERSION:
        raise ProvenanceError(
            "it was drawn with an option that this version does not know, so a "
            f"difference would prove nothing: it takes version {text} of the options, "
            f"and this is {VERSION}"
        )


def expect_numerics(theirs: str, ours: str) -> None:
    """Raises ProvenanceError if a picture was drawn with another arithmetic than `ours`. theirs: its `numerics`."""
    if theirs and ours not in theirs.split(", "):
        raise ProvenanceError(
            f"it was drawn with {theirs} numerics and would be drawn here with {ours}: the last digits of the "
            "network's numbers differ between the two, which turns a draw now and then, so a difference "
            "would prove nothing"
        )
