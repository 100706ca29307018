"""The probability of each image of a job that draws new images: in its summary and result."""

from collections.abc import Sequence
from typing import Any

from worker.contract.kind import Summary
from worker.contract.record import Described

ROOM = 4 * 24
"""Bytes of an image's two numbers as text, which a summary keeps twice."""


class ProbabilitySummary(Summary):
    """-ln p of each image, in nats and in bits of each variable. None from a worker of an
    earlier version."""

    nats: tuple[float, ...] | None = None
    bits_per_dim: tuple[float, ...] | None = None

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        return self.model_dump()


class ProbabilityAnswer(Described):
    """The fields of a result that only new images and upsamplings have."""

    nats: list[float] | None = None
    """-ln of the probability of each image under the distribution that drew it: at the job's temperature, given the
    label if one was asked for, else whatever the label, and for a mixture that of the whole mixture; an upsampling's is
    given the small image. Null if a worker of an earlier version drew them."""
    bits_per_dim: list[float] | None = None
    """The same in bits, of each colour of each pixel."""
