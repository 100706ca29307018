"""Encoding: many pictures as one file, without loss."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field

from worker.contract.colours import ColourOptions
from worker.contract.kind import Input, Kind, Shows, Summary
from worker.contract.labels import LabelField, LabelOptions, components
from worker.contract.options import FOUND, drawn_values
from worker.contract.record import Described
from worker.contract.traits import JobSize, ModelTraits

_CODED = 3
"""Bytes of each variable in a file of coded images at worst: the coder spends at most
24 bits, on values without any probability."""


class EncodeOptions(ColourOptions, LabelOptions):
    """Many pictures as one file, without loss."""

    members: Annotated[int, FOUND] = Field(default=1, ge=1)
    """Number of networks of a mixture; each codes the pictures by itself, and the
    shortest result is kept."""
    passes: Annotated[int, FOUND] = Field(default=0, ge=0)
    """How often each picture is scored first, to find the label with which its file is
    shortest."""

    def for_model(self, model: ModelTraits, n: int) -> Self:
        """Return a copy with the number of networks and scoring passes of this
        model."""
        passes = components(model) if model.labels and self.label is None else 0
        found = {
            **self.label_for(model),
            **self.colours_for(model),
            "members": len(model.members),
            "passes": passes,
        }
        return self.model_copy(update=found)

    def job_fields(self) -> dict[str, Any]:
        """Return the fields of both bases."""
        return {**LabelOptions.job_fields(self), **ColourOptions.job_fields(self)}

    @property
    def keeps(self) -> Sequence[str]:
        """The coded file, `blob`."""
        return ("blob",)

    def work(self, job: JobSize) -> int:
        """Return the number of coded values; each scoring pass over a picture counts as
        one row."""
        coded = self.members * drawn_values(job, job.height * job.width)
        return coded + self.passes * job.n * job.width * job.channels

    def room(self, job: JobSize) -> int:
        """Return an upper bound for the bytes of the coded file and the summary."""
        variables = job.n * job.height * job.width * job.channels
        summary = 1024 + 40 * job.n
        return summary + _CODED * variables


class EncodeSummary(Summary):
    """Facts of a file of coded images. Its bytes are stored beside the summary:
    `keys.image`, field `blob`."""

    pictures: int = Field(ge=1, description="Number of pictures in the file.")
    bytes: int = Field(ge=1, description="Length of the file in bytes.")
    bits_per_dim: float = Field(
        gt=0,
        allow_inf_nan=False,
        description="Bits of the file for each variable: 8 * bytes / (pictures * H "
        "* W * C).",
    )
    member: str = Field(
        description="Orientation of the network that coded it, `none` for upright; "
        "of a mixture, the network with the shortest file."
    )
    digest: str = Field(
        description="SHA-256 of the model's weights, which the file contains too."
    )
    identity: str | None = Field(
        default=None,
        description="The model's identity, which the file contains too; null from "
        "an earlier version.",
    )

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        """Return all fields, and `blob`, the address of the file."""
        return {**self.model_dump(), "blob": f"{address}/blob"}


class Answer(Described):
    """The fields of a result that only encodings have."""

    blob: str
    """Address of the coded file."""


KIND = Kind(
    "encode",
    "encoding",
    """Many pictures as one file, without loss: `GET /jobs/{id}/blob`. The likelier the
    model finds the pictures, the shorter the file.

    All pictures together may have twice as many bytes as one upload of other calls. A
    picture that decoding would not return unchanged is refused. Multi-Scale models have
    no codec, and a worker on a GPU may have none: `can` of a model lists what it does.
    """,
    Input.PICTURES,
    EncodeOptions,
    shows=Shows.GIVEN,
    summary=EncodeSummary,
    answer=Answer,
    job_fields=LabelField,
)
