"""Says how probable each label is, given a picture or a part of one."""

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
from worker.engine.stored import succeeded
from worker.orders.claims import Outcome
from worker.orders.pictures import PictureOrder


def classified(order: PictureOrder, model: Model) -> Iterator[float | Outcome]:
    """Step by step. Raises FloatingPointError when the network gives a likelihood that is not finite."""
    options = cast(ClassifyOptions, order.job.options)
    keep = (
        np.ones(order.pixels.shape[1:], np.bool_) if order.keep is None else order.keep
    )
    values, moved = nearest_values(np.where(keep, order.pixels, 0), model.config.levels)
    for found in classify_steps(
        model, values, keep, order.job.seed, options.particles or PARTICLES
    ):
        yield (
            succeeded(_summary(found, model, options, moved))
            if isinstance(found, Classification)
            else found
        )


def _summary(
    found: Classification, model: Model, options: ClassifyOptions, moved: int
) -> ClassifySummary:
    """The answer about the one picture that was asked about."""
    order = np.argsort(-found.p[0], kind="stable")
    return ClassifySummary(
        labels=tuple(_belief(found, int(k), model.card.labels[k].name) for k in order),
        nats=float(found.total_nats[0]),
        exact=found.exact,
        quality=found.quality,
        particles=0 if found.exact else options.particles_needed,
        quantised_pixels=moved or options.moved_pixels,
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
