"""The probability of each image of a job that draws new images, for its summary and
result."""

from collections.abc import Sequence
from typing import Any

from worker.contract.kind import Summary
from worker.contract.record import Described

ROOM = 4 * 24
"""Bytes of an image's two numbers as text, which a summary stores twice."""


class ProbabilitySummary(Summary):
    """-ln p of each image, in nats and in bits for each variable; None from a worker of
    an earlier version."""

    nats: tuple[float, ...] | None = None
    """-ln p of each image, in the order of the job's images."""
    bits_per_dim: tuple[float, ...] | None = None
    """The same in bits for each colour of each pixel."""

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        """Return `nats` and `bits_per_dim`, a value for each image."""
        return self.model_dump()


class ProbabilityAnswer(Described):
    """The fields of a result that only new images and upsamplings have."""

    nats: list[float] | None = None
    """-ln p of each image under the distribution that drew it: at the job's
    temperature, given the label if one was requested and otherwise over all labels, for
    a mixture over all networks, and for an upsampling given the small image. Null from
    a worker of an earlier version."""
    bits_per_dim: list[float] | None = None
    """The same in bits for each colour of each pixel."""
