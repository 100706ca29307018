"""The results of jobs, in the form in which they are stored."""

import math
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from model_core.sampling.noise import chosen_label
from worker.contract.jobs import JobStatus
from worker.contract.kind import Summary
from worker.contract.kinds.sample import SampleSummary
from worker.orders.claims import SUCCEEDED, Outcome, StoredResult
from worker.orders.drawing import DrawOrder, Labelling


def success(summary: Summary, **kept: bytes) -> Outcome:
    """Return the outcome of a job that has succeeded.

    kept: bytes to store beside the summary, by fields of `keys.image`.
    """
    # An API of an earlier version may not know every field.
    text = summary.model_dump_json(exclude_none=True)
    return Outcome(JobStatus.SUCCEEDED, result=StoredResult(text, kept))


def drawn_outcome(order: DrawOrder, log_p: Mapping[int, float]) -> Outcome:
    """Return the outcome of a job whose images are drawn, with their probabilities and
    labels if the order asks for these.

    log_p: ln p of each image, by its index.
    """
    labelling = order.labelling
    labels: tuple[str, ...] = ()
    if labelling is not None:
        count = range(len(labelling.requested))
        labels = tuple(_label(labelling, sample) for sample in count)
    if not order.weighed_variables:
        return success(SampleSummary(labels=labels)) if labels else SUCCEEDED
    nats = tuple(0.0 - log_p[sample] for sample in sorted(log_p))
    bit = math.log(2) * order.weighed_variables
    bits_per_dim = tuple(each / bit for each in nats)
    return success(SampleSummary(nats=nats, bits_per_dim=bits_per_dim, labels=labels))


def _label(labelling: Labelling, sample: int) -> str:
    number = labelling.requested[sample]
    if number is None:
        number = chosen_label(
            labelling.seed, labelling.first + sample, labelling.priors
        )
    return labelling.names[number]


def map_bytes(variables: NDArray[np.floating]) -> bytes:
    """Return a map of numbers (C, H, W) as it is stored: float32, little-endian, in
    the order (H, W, C)."""
    return np.ascontiguousarray(variables.transpose(1, 2, 0), "<f4").tobytes()
