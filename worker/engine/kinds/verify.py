"""Verification: draw a picture again and compare."""

from typing import cast

import numpy as np

from model_core.measures.verification import changed_pixels
from model_core.models import Model
from model_core.sampling.stages import numerics_of
from worker.contract.kind import Pixel
from worker.contract.kinds.verify import VerifyOptions, VerifySummary
from worker.contract.provenance import ProvenanceError, expect_numerics
from worker.engine.stored import success
from worker.orders.claims import Outcome, failed
from worker.orders.faults import not_verifiable
from worker.orders.pictures import PictureOrder

NAMED_PIXELS = 16
"""Most changed pixels that the result lists."""


def verify(order: PictureOrder, model: Model) -> Outcome:
    """Draw the picture again and return the outcome, with the pixels that differ. A
    picture that was drawn with other arithmetic ends the job as failed."""
    job = order.job
    options = cast(VerifyOptions, job.options)
    try:
        expect_numerics(options.drawn_with, numerics_of(model))
    except ProvenanceError as error:
        return failed(not_verifiable(error))
    model = model.given(options.label)
    (changed,) = changed_pixels(
        model,
        order.pixels[None],
        [options.sample],
        job.seed,
        job.temperature,
    )
    places = [Pixel(x=int(x), y=int(y)) for y, x in np.argwhere(changed)]
    summary = VerifySummary(
        verified=not places,
        sample=options.sample,
        changed_pixels=len(places),
        name=None if places else options.name or None,
        changed=tuple(places[:NAMED_PIXELS]),
    )
    return success(summary)
