"""Many pictures as one file, without loss."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field

from worker.contract.colours import ColourOptions
from worker.contract.kind import (
    FOUND,
    Able,
    Asked,
    Input,
    Kind,
    Shows,
    Summary,
    drawn_values,
)
from worker.contract.labels import LabelOptions, Shown, components
from worker.contract.record import Described

_CODED = 3
"""Bytes of each variable in a file of coded images, when the model gives none of them any probability: the coder spends
24 bits then, and no more."""


class EncodeOptions(ColourOptions, LabelOptions):
    """Many pictures as one file, without loss."""

    members: Annotated[int, FOUND] = Field(default=1, ge=1)
    """How many networks of a mixture try, each by itself."""
    passes: Annotated[int, FOUND] = Field(default=0, ge=0)
    """How often each picture is scored before, to find the label that makes its file shortest."""

    def settled(self, model: Able, n: int) -> Self:
        passes = components(model) if model.labels and self.label is None else 0
        return (
            super()
            .settled(model, n)
            .model_copy(update={"members": len(model.members), "passes": passes})
        )

    @property
    def keeps(self) -> Sequence[str]:
        return ("blob",)

    def work(self, job: Asked) -> int:
        coded = self.members * drawn_values(job, job.height * job.width)
        return coded + self.passes * job.n * job.width * job.channels

    def room(self, job: Asked) -> int:
        return (
            1024 + _CODED * job.n * job.height * job.width * job.channels + 40 * job.n
        )


class EncodeSummary(Summary):
    """A file of coded images. Its bytes are kept beside it: `keys.image`, field `blob`."""

    pictures: int = Field(ge=1, description="How many pictures the file holds.")
    bytes: int = Field(ge=1, description="How long it is.")
    bits_per_dim: float = Field(
        gt=0,
        allow_inf_nan=False,
        description="Its bits for each variable: 8 * bytes / (pictures * H * W * C).",
    )
    member: str = Field(
        description="The orientation of the network that coded it, `none` being that of the image: of a mixture the "
        "one that makes it shortest."
    )
    digest: str = Field(
        description="sha256 of the model's weights, which the file names too."
    )
    identity: str | None = Field(
        default=None,
        description="The model's, which the file names too; null of earlier ones.",
    )

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        return {**self.model_dump(), "blob": f"{address}/blob"}


class Answer(Described):
    """The file that the pictures have become."""

    blob: str
    """The file."""


KIND = Kind(
    "encode",
    "encoding",
    """Many pictures as one file, without loss: `GET /jobs/{id}/blob`, about as long as the model finds them unlikely.

    All pictures together may have as many bytes as two may in other calls. One that would not come back as it is is
    refused. A Multi-Scale model has no codec, and a worker on a GPU none either: `can` of a model says it.
    """,
    Input.PICTURES,
    EncodeOptions,
    order="worker.orders.kinds.encode:build",
    carried_out="worker.engine.kinds.encode:encoded",
    shows=Shows.GIVEN,
    summary=EncodeSummary,
    answer=Answer,
    shown=Shown,
)
