"""Upsampling: large images from a small one."""

from typing import Any

from worker.contract.kind import Input, Kind, Source
from worker.contract.labels import LabelField, LabelOptions
from worker.contract.options import SeededOptions
from worker.contract.probabilities import ROOM, ProbabilityAnswer, ProbabilitySummary
from worker.contract.traits import JobSize


class UpsampleOptions(LabelOptions, SeededOptions):
    """Draw large images from a small one."""

    def job_fields(self) -> dict[str, Any]:
        """Return the fields of both bases."""
        return {**SeededOptions.job_fields(self), **LabelOptions.job_fields(self)}

    def room(self, job: JobSize) -> int:
        """Return the bytes of the probabilities."""
        return ROOM * job.n


KIND = Kind(
    "upsample",
    "upsampling",
    """Draw `n` large images from a small one, which a Multi-Scale model takes in place
    of its own first stage.

    Every pixel of the large image is drawn given the small one; it need not repeat its
    pixels.
    """,
    Input.SMALL_PICTURE,
    UpsampleOptions,
    draws=True,
    summary=ProbabilitySummary,
    answer=ProbabilityAnswer,
    job_fields=LabelField,
    why_no_provenance="this is an upsampling, and only samples can be verified: it "
    "depends on the given small image, which the picture does not contain",
    source=Source.EDITED,
)
