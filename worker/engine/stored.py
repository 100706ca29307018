"""Findings of a job, as they are kept."""

import numpy as np
from numpy.typing import NDArray

from model_core.sampling.noise import chosen_label
from worker.contract.jobs import JobStatus
from worker.contract.kind import Summary
from worker.contract.kinds.sample import SampleSummary
from worker.orders.claims import SUCCEEDED, Outcome, StoredResult
from worker.orders.drawing import Labelling


def succeeded(summary: Summary, **kept: bytes) -> Outcome:
    """A job that has ended well. kept: what stays beside the summary, by its fields in `keys.image`."""
    text = summary.model_dump_json(
        exclude_none=True
    )  # an API of an earlier version may not know every field
    return Outcome(JobStatus.SUCCEEDED, result=StoredResult(text, kept))


def drawn(labelling: Labelling | None) -> Outcome:
    """A job whose images are drawn: with their labels, if they have any."""
    if labelling is None:
        return SUCCEEDED
    return succeeded(
        SampleSummary(
            labels=tuple(
                _label(labelling, sample) for sample in range(len(labelling.asked))
            )
        )
    )


def _label(labelling: Labelling, sample: int) -> str:
    number = labelling.asked[sample]
    if number is None:
        number = chosen_label(
            labelling.seed, labelling.first + sample, labelling.priors
        )
    return labelling.names[number]


def stored(variables: NDArray[np.floating]) -> bytes:
    """(C, H, W) numbers as they are kept: float32, little-endian, pixel by pixel."""
    return np.ascontiguousarray(variables.transpose(1, 2, 0), "<f4").tobytes()
