"""Classification: the probability of each label, given a picture or a part of one."""

from collections.abc import Iterator
from typing import cast

import numpy as np

from model_core.data.pixels import nearest_values
from model_core.models import Model
from model_core.posterior.classify import Classification, classify_steps
from worker.contract.kinds.classify import (
    PARTICLES,
    ClassifyOptions,
    ClassifySummary,
    LabelBelief,
)
from worker.engine.stored import success
from worker.orders.claims import Outcome
from worker.orders.pictures import PictureOrder


def classify(order: PictureOrder, model: Model) -> Iterator[float | Outcome]:
    """Classify the order's picture in steps: yield after each how much is done, 0 to 1,
    and at last the Outcome."""
    options = cast(ClassifyOptions, order.job.options)
    keep = order.keep
    if keep is None:
        keep = np.ones(order.pixels.shape[1:], np.bool_)
    # Missing pixels may have any colour: they are not counted as moved.
    given = np.where(keep, order.pixels, 0)
    values, moved = nearest_values(given, model.config.levels)
    particles = options.particles or PARTICLES
    for found in classify_steps(model, values, keep, order.job.seed, particles):
        if isinstance(found, Classification):
            used = 0 if found.exact else particles
            yield success(_summary(found, model, used, moved or options.moved_pixels))
        else:
            yield found


def _summary(
    found: Classification, model: Model, particles: int, moved: int
) -> ClassifySummary:
    """Return the summary for the one picture of the job.

    particles: for each label, 0 if the answer is exact.
    moved: number of pixels that were moved to another value.
    """
    order = np.argsort(-found.p[0], kind="stable")
    return ClassifySummary(
        labels=tuple(_belief(found, int(k), model.card.labels[k].name) for k in order),
        nats=float(found.total_nats[0]),
        exact=found.exact,
        quality=found.quality,
        particles=particles,
        quantised_pixels=moved,
    )


def _belief(found: Classification, k: int, name: str) -> LabelBelief:
    return LabelBelief(
        label=k,
        name=name,
        p=float(found.p[0, k]),
        nats=float(found.nats[0, k]),
        sd=None if found.sd is None else float(found.sd[0, k]),
        p_sd=None if found.p_sd is None else float(found.p_sd[0, k]),
    )
