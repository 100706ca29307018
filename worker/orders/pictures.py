"""A picture of which something is to be said: passes of the model between the steps of what is drawn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.images import whole_picture
from worker.orders.order import Material, Order


@dataclass(frozen=True)
class PictureOrder(Order):
    """The picture of a job, as pixels (C, H, W). `Kind.carried_out` takes (order, model) and returns the Outcome."""

    job: JobSpec
    pixels: NDArray[np.uint8]


def build(spec: JobSpec, card: ModelCard, material: Material) -> PictureOrder:
    """JobRefusedError when the picture has not the model's size."""
    return PictureOrder(material.claim, spec.model, spec, whole_picture(spec, material.pixels))
