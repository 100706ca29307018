"""Findings of a job, as they are kept."""

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


def succeeded(summary: Summary, **kept: bytes) -> Outcome:
    """A job that has ended well. kept: what stays beside the summary, by its fields in `keys.image`."""
    text = summary.model_dump_json(
        exclude_none=True
    )  # an API of an earlier version may not know every field
    return Outcome(JobStatus.SUCCEEDED, result=StoredResult(text, kept))


def drawn(order: DrawOrder, log_p: Mapping[int, float]) -> Outcome:
    """The end of a job whose images are drawn: their probabilities, and their labels if
    they have any. log_p: ln p of each image, by its number."""
    labelling = order.labelling
    labels: tuple[str, ...] = ()
    if labelling is not None:
        count = range(len(labelling.requested))
        labels = tuple(_label(labelling, sample) for sample in count)
    if not order.weighed_variables:
        return succeeded(SampleSummary(labels=labels)) if labels else SUCCEEDED
    nats = tuple(0.0 - log_p[sample] for sample in sorted(log_p))
    bit = math.log(2) * order.weighed_variables
    bits_per_dim = tuple(each / bit for each in nats)
    return succeeded(SampleSummary(nats=nats, bits_per_dim=bits_per_dim, labels=labels))


def _label(labelling: Labelling, sample: int) -> str:
    number = labelling.requested[sample]
    if number is None:
        number = chosen_label(
            labelling.seed, labelling.first + sample, labelling.priors
        )
    return labelling.names[number]


def stored(variables: NDArray[np.floating]) -> bytes:
    """(C, H, W) numbers as they are kept: float32, little-endian, pixel by pixel."""
    return np.ascontiguousarray(variables.transpose(1, 2, 0), "<f4").tobytes()
