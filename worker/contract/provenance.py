"""Parses the text of a drawn PNG that says how it was drawn. It needs no decoder of
pictures."""

from collections.abc import Mapping, Sequence
from typing import Any, Self

from pydantic import Field, Json, ValidationError

from worker.contract.addresses import AddressNameError, seed_of
from worker.contract.jobs import (
    MAX_SEED,
    MAX_TEMPERATURE,
    MIN_TEMPERATURE,
    VERSION,
)
from worker.contract.kind import NO_PROVENANCE
from worker.contract.kinds import KINDS
from worker.contract.options import MAX_FIRST
from worker.contract.pixel_options import pixel_options
from worker.contract.record import Record
from worker.contract.size import FieldOptions

_MANY = 1 << 20
"""Bound of the numbers of images in a picture's text."""


class ProvenanceError(ValueError):
    """The picture cannot be drawn again from its text. The message is a sentence that
    states the reason."""


class Provenance(Record):
    """What the text of a PNG says: everything needed to draw a sample again, or a grid
    of consecutive samples."""

    model: str = Field(min_length=1, max_length=64)
    """Name of the model."""
    digest: str = Field(max_length=64)
    """SHA-256 of the model's weights."""
    identity: str = Field(default="", max_length=64)
    """Identity of the model; empty if the picture does not name it."""
    seed: int = Field(ge=0, le=MAX_SEED)
    """Seed of the noise."""
    temperature: float = Field(
        ge=MIN_TEMPERATURE, le=MAX_TEMPERATURE, allow_inf_nan=False
    )
    """Temperature of the draws."""
    sample: int = Field(default=0, ge=0, lt=MAX_FIRST + _MANY)
    """Number of the image among those of the seed; of a grid, the number of its first
    image."""
    samples: int = Field(default=1, ge=1, lt=_MANY)
    """Number of images in the picture."""
    label: str | None = Field(default=None, max_length=64)
    """Name of the label of all images; None if the picture does not name one."""
    labels: Json[tuple[str, ...]] | None = None
    """Names of the labels of a grid's images if they differ; else None."""
    options: FieldOptions = FieldOptions()
    """The other options that change pixels."""
    name: str = ""
    """The name whose picture it is, if the address asked for it; else empty."""
    numerics: str = ""
    """The arithmetic that drew the picture, or several separated by commas; empty if
    the picture does not name it."""

    @property
    def addressed_name(self) -> str | None:
        """The name whose picture it is, or None if the picture has none that hashes to
        its seed."""
        try:
            is_address = self.samples == 1 and self.sample == 0
            return self.name if is_address and seed_of(self.name) == self.seed else None
        except AddressNameError:
            return None

    def label_of(self, i: int) -> str | None:
        """Return the name of the label of the picture's image i, or None if the picture
        names none."""
        return self.label if self.labels is None else self.labels[i]

    def expect_labels(self, names: Sequence[str]) -> None:
        """Raise ProvenanceError if the picture names a label that is not among `names`,
        those of the model."""
        own = self.labels or ([] if self.label is None else [self.label])
        missing = next((label for label in own if label not in names), None)
        if missing:
            raise ProvenanceError(
                f"it was drawn with the label {missing!r}, "
                "which the model's card does not name now"
            )

    @classmethod
    def of(cls, text: Mapping[str, str]) -> Self:
        """Parse a PNG's keywords and texts.

        Raises ProvenanceError if the picture is no sample of this project, or if this
        version cannot draw it again.
        """
        kind = KINDS.get(text.get("kind", ""))
        refusal = NO_PROVENANCE if kind is None else kind.why_no_provenance
        if refusal:
            raise ProvenanceError(refusal)
        # Before the options are read: a later version may have changed their form.
        _expect_version(text.get("version", ""))

        own: dict[str, Any] = {
            name: text[name] for name in text if name in cls.model_fields
        }
        names = pixel_options(FieldOptions)
        own["options"] = {name: text[name] for name in names if name in text}
        try:
            found = cls.model_validate(own)
        except ValidationError as error:
            place = error.errors()[0]["loc"]
            raise _invalid(str(place[-1])) from None
        if found.labels is not None and len(found.labels) != found.samples:
            raise _invalid("labels")
        return found


def _invalid(keyword: str) -> ProvenanceError:
    return ProvenanceError(
        f"the picture's text about how it was drawn makes no sense: {keyword}"
    )


def _expect_version(text: str) -> None:
    """Raise ProvenanceError if only a later version can verify the picture.

    text: the first version of job descriptions that has all of the picture's options;
    empty in pictures of 0.3 and before, which have no later options.
    """
    if not text:
        return
    if not (text.isdecimal() and text.isascii() and len(text) < 6):
        raise _invalid("version")
    if int(text) > VERSION:
        raise ProvenanceError(
            "it was drawn with an option that this version does not know, so a "
            f"difference would prove nothing: expected options of version {VERSION} "
            f"or earlier, not {text}"
        )


def expect_numerics(theirs: str, ours: str) -> None:
    """Raise ProvenanceError if a picture was drawn with another arithmetic than `ours`,
    because its bytes may then differ.

    theirs: `numerics` of the picture, or several of them separated by ", ", of which
        one must be `ours`. Empty passes.
    """
    if theirs and ours not in theirs.split(", "):
        raise ProvenanceError(
            f"it was drawn with {theirs} numerics and would be drawn here with {ours}: "
            "the last digits of the network's numbers differ between the two, which "
            "occasionally changes a draw, so a difference would prove nothing"
        )
