"""Large images from a small one."""

from worker.contract.kind import Asked, Input, Kind, SeededOptions, Source
from worker.contract.labels import LabelOptions, Shown
from worker.contract.probabilities import ROOM, ProbabilityAnswer, ProbabilitySummary


class UpsampleOptions(LabelOptions, SeededOptions):
    """Draw large images from a small one."""

    def room(self, job: Asked) -> int:
        return ROOM * job.n


KIND = Kind(
    "upsample",
    "upsampling",
    """Draw `n` large images from a small one, which a Multi-Scale model takes as the first stage of its own.

    The large image is drawn given the small one, every pixel of it; it need not repeat its pixels.
    """,
    Input.SMALL_PICTURE,
    UpsampleOptions,
    order="worker.orders.kinds.upsample:build",
    draws=True,
    summary=ProbabilitySummary,
    answer=ProbabilityAnswer,
    shown=Shown,
    why_no_provenance="this is an upsampling, and only samples can be verified: it depends on the small image that was "
    "given, which the picture does not hold",
    source=Source.EDITED,
)
