"""Findings of a job, as they are kept."""

import numpy as np
from numpy.typing import NDArray

from worker.contract.jobs import JobStatus
from worker.contract.kind import Summary
from worker.orders.claims import Outcome, StoredResult


def succeeded(summary: Summary, **kept: bytes) -> Outcome:
    """A job that has ended well. kept: what stays beside the summary, by its fields in `keys.image`."""
    text = summary.model_dump_json(exclude_none=True)  # an API of an earlier version may not know every field
    return Outcome(JobStatus.SUCCEEDED, result=StoredResult(text, kept))


def stored(variables: NDArray[np.floating]) -> bytes:
    """(C, H, W) numbers as they are kept: float32, little-endian, pixel by pixel."""
    return np.ascontiguousarray(variables.transpose(1, 2, 0), "<f4").tobytes()
