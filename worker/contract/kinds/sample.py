"""New images."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Self

from pydantic import Field

from worker.contract.kind import (
    MAX_IMAGES,
    Able,
    Asked,
    BadOptionError,
    Input,
    Kind,
    SeededOptions,
    Source,
)
from worker.contract.labels import SINCE, AskedLabel, Shown, has_label, label_name
from worker.contract.pixel_options import PIXELS
from worker.contract.probabilities import ROOM, ProbabilityAnswer, ProbabilitySummary
from worker.contract.sampling import SamplingOptions

_LABEL = 3 * 72
"""Bytes of an image's label: in what is asked, and twice in what is told."""


class SampleOptions(SamplingOptions, SeededOptions):
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
        description="The label of the images: its name in the model's `labels`, or its place there, counted from 0. Of "
        "a list each stands for one image, and `n` may be left out. Without it, each image's is drawn, too: "
        "`result.labels` names them.",
    )

    @property
    def labels(self) -> Sequence[str]:
        """The labels that are asked for: none, one for all images, or one for each."""
        return (
            self.label
            if isinstance(self.label, list)
            else []
            if self.label is None
            else [self.label]
        )

    def images(self, n: int) -> int:
        if not isinstance(self.label, list):
            return n
        if n not in (1, len(self.label)):
            raise BadOptionError(
                f"n: expected {len(self.label)}, one for each label of the list, or nothing",
                "n",
            )
        return len(self.label)

    def settled(self, model: Able, n: int) -> Self:
        names = [label_name(label, model) for label in self.labels]
        settled = super().settled(model, n)
        return settled.model_copy(
            update={
                "label": names
                if isinstance(self.label, list)
                else next(iter(names), None)
            }
        )

    def fits(self, model: Able) -> bool:
        return super().fits(model) and all(
            has_label(label, model) for label in self.labels
        )

    def room(self, job: Asked) -> int:
        return (_LABEL + ROOM) * job.n

    def label_of(self, sample: int) -> str | None:
        return self.labels[sample % len(self.labels)] if self.labels else None

    def origin(self) -> dict[str, str]:
        text = super().origin()
        # each image says its own label, also one that nobody asked for
        return {name: text[name] for name in text if name not in ("label", "labels")}

    def origin_of(self, sample: int) -> Mapping[str, str]:
        name = self.label_of(sample)
        return {} if name is None else {"label": name}


class SampleSummary(ProbabilitySummary):
    """The probabilities of the images that were drawn, and their labels, of a model that has any."""

    labels: tuple[str, ...] = ()

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        fields = super().result_fields(images, address, query)
        return {**fields, "labels": self.labels or None}

    def origin_of(self, sample: int) -> Mapping[str, str]:
        return {"label": self.labels[sample]} if self.labels else {}


class Answer(ProbabilityAnswer):
    """The fields of a result that only samples have."""

    labels: list[str] | None = None
    """Names of the labels of the samples of a model that has labels."""


KIND = Kind(
    "sample",
    "sample",
    "Draw `n` new images: answers at once with a queued job; follow `links.events` or poll `links.self`.",
    Input.NOTHING,
    SampleOptions,
    order="worker.orders.kinds.sample:build",
    draws=True,
    draws_small=True,
    summary=SampleSummary,
    answer=Answer,
    shown=Shown,
    why_no_provenance="",
    source=Source.DRAWN,
    example={"model": "mnist-diagonal-bilstm", "n": 4, "seed": 7},
)
