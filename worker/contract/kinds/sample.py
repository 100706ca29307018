"""Drawing new images."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field

from worker.contract.kind import Input, Kind, Source
from worker.contract.labels import SINCE, AskedLabel, LabelField, has_label, label_name
from worker.contract.options import MAX_IMAGES, BadOptionError, SeededOptions
from worker.contract.pixel_options import PIXELS
from worker.contract.probabilities import ROOM, ProbabilityAnswer, ProbabilitySummary
from worker.contract.size import FieldOptions
from worker.contract.traits import JobSize, ModelTraits

_LABEL = 3 * 72
"""Bytes of an image's label: once in the options, and twice in the summary."""


class SampleOptions(FieldOptions, SeededOptions):
    """Draw new images."""

    label: Annotated[
        AskedLabel
        | Annotated[list[AskedLabel], Field(min_length=1, max_length=MAX_IMAGES)]
        | None,
        PIXELS,
        SINCE,
    ] = Field(
        default=None,
        examples=["7", ["7", "3"]],
        description="The label of the images: its name in the model's `labels`, or "
        "its index there, counted from 0. A list has one label for each image, and "
        "`n` may be left out. Without it the label of each image is drawn as well: "
        "`result.labels` names them.",
    )

    @property
    def labels(self) -> Sequence[str]:
        """The requested labels: none, one for all images, or one for each image."""
        if self.label is None:
            return []
        return self.label if isinstance(self.label, list) else [self.label]

    def images(self, n: int) -> int:
        """Return the number of labels in a list, or n without a list. Raises
        BadOptionError unless n is that number or 1, its default."""
        if not isinstance(self.label, list):
            return n
        if n not in (1, len(self.label)):
            raise BadOptionError(
                f"n: expected {len(self.label)}, one for each label of the list; "
                "or leave it out",
                "n",
            )
        return len(self.label)

    def for_model(self, model: ModelTraits, n: int) -> Self:
        """Return a copy with labels by name instead of index, and without a `size` that
        is the model's own."""
        names = [label_name(label, model) for label in self.labels]
        label = names if isinstance(self.label, list) else next(iter(names), None)
        return self.model_copy(update={"label": label, **self.size_for(model)})

    def fits(self, model: ModelTraits) -> bool:
        """Return True if the model has all labels, and draws fields if `size` asks for
        one."""
        has_labels = all(has_label(label, model) for label in self.labels)
        return has_labels and FieldOptions.fits(self, model)

    def room(self, job: JobSize) -> int:
        """Return the bytes that labels and probabilities take."""
        return (_LABEL + ROOM) * job.n

    def label_of(self, sample: int) -> str | None:
        """Return the requested label of image `sample`; None if none was requested."""
        return self.labels[sample % len(self.labels)] if self.labels else None

    def origin(self) -> dict[str, str]:
        """Return the base's keywords and texts without labels."""
        text = super().origin()
        # Each image has its own label in its text, also if the model chose it.
        return {name: text[name] for name in text if name not in ("label", "labels")}

    def origin_of(self, sample: int) -> Mapping[str, str]:
        """Return the requested label of image `sample`; empty if none was requested."""
        name = self.label_of(sample)
        return {} if name is None else {"label": name}


class SampleSummary(ProbabilitySummary):
    """The probabilities of the images and, for a model that has labels, their
    labels."""

    labels: tuple[str, ...] = ()
    """Name of each image's label; empty for a model without labels."""

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        """Return `nats`, `bits_per_dim` and `labels`; None if there are none."""
        fields = super().result_fields(images, address, query)
        return {**fields, "labels": self.labels or None}

    def origin_of(self, sample: int) -> Mapping[str, str]:
        """Return the label of image `sample`; empty for a model without labels."""
        return {"label": self.labels[sample]} if self.labels else {}


class Answer(ProbabilityAnswer):
    """The fields of a result that only samples have."""

    labels: list[str] | None = None
    """Names of the images' labels, for a model that has labels."""


KIND = Kind(
    "sample",
    "sample",
    "Draw `n` new images. The answer comes at once, with a queued job; follow "
    "`links.events` or poll `links.self`.",
    Input.NOTHING,
    SampleOptions,
    draws=True,
    draws_small=True,
    summary=SampleSummary,
    answer=Answer,
    job_fields=LabelField,
    why_no_provenance="",
    source=Source.DRAWN,
    example={"model": "mnist-diagonal-bilstm", "n": 4, "seed": 7},
)
