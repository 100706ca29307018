"""What a model expects of one pixel: for each colour the probability of every value,
given everything drawn before it."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.components import Component
from model_core.layers.conditioning import subsample
from model_core.models import Model
from model_core.networks.multi_scale import MultiScaleNetwork
from model_core.orientation import Orientation, turn


@dataclass(frozen=True)
class ColourBelief:
    """What a model expects of one colour of one pixel: p(value | everything drawn
    before it). `pixel_belief` makes it."""

    probabilities: NDArray[np.float64]
    """(V,): the probability of each value; they sum to 1."""
    value: int
    """The value that the picture has there."""

    @property
    def entropy_bits(self) -> float:
        """Entropy of the probabilities, in bits: what the colour costs on average if
        the model is right."""
        p = self.probabilities[self.probabilities > 0]
        return float(-(p * np.log2(p)).sum()) + 0.0  # + 0.0 turns -0.0 into 0.0

    @property
    def bits(self) -> float:
        """-log2 p of the picture's value; at most 1022, also for p = 0."""
        # JSON has no infinity, so a probability of 0 counts as the smallest number.
        p = max(self.probabilities[self.value], np.finfo(np.float64).tiny)
        return float(-np.log2(p)) + 0.0


def pixel_belief(
    model: Model,
    values: NDArray[np.integer],
    y: int,
    x: int,
    orientation: Orientation | None = None,
    label: int | None = None,
) -> list[ColourBelief]:
    """Return a belief for each colour of the pixel (y, x), red first (figure 6), by one
    teacher-forced pass over the picture.

    values: (C, H, W), integers 0..V-1, upright.
    y, x: in the upright picture, 0..H-1 and 0..W-1; not checked.
    orientation, label: choose the component of the model (a member with a label); None
        matches any, and the first match is used; there must be one. The belief is given
        the pixels that this component draws before (y, x).

    In a Multi-Scale model the small network is used if it draws the pixel, otherwise
    the large one. Raises FloatingPointError if a probability is not finite.
    """
    with torch.inference_mode():
        image = torch.from_numpy(values.astype(np.int64))[None].to(model.device)
        component = component_for(model, orientation, label)
        row, column = place_of(component.orientation, values.shape, y, x)
        turned = turn(image, component.orientation)
        logits = _logits(component, turned, row, column)[0]  # (V, C)
        distribution = component.network.distribution
        probabilities = distribution.probabilities(logits).cpu().numpy()
    if not np.isfinite(probabilities).all():
        raise FloatingPointError("the network gave a probability that is not finite")
    return [
        ColourBelief(probabilities[:, colour], int(values[colour, y, x]))
        for colour in range(len(values))
    ]


def component_for(
    model: Model, orientation: Orientation | None, label: int | None
) -> Component:
    """Return the first component of a model with this orientation and this label's
    index; None matches any. There must be one."""
    return next(
        c
        for c in model.components
        if orientation in (None, c.orientation) and label in (None, c.label)
    )


def place_of(
    orientation: Orientation, shape: tuple[int, ...], y: int, x: int
) -> tuple[int, int]:
    """Return the row and the column of a pixel after its image was turned to an
    orientation.

    shape: (C, H, W), of the upright image.
    y, x: of the pixel in the upright image, 0..H-1 and 0..W-1; not checked.
    """
    index = np.arange(shape[1] * shape[2]).reshape(shape[1:])
    row, column = np.argwhere(turn(index, orientation) == index[y, x])[0]
    return int(row), int(column)


def _logits(component: Component, image: Tensor, y: int, x: int) -> Tensor:
    """Return the logits (1, V, C) of the network that draws the pixel."""
    network = component.network
    if not isinstance(network, MultiScaleNetwork):
        return component.logits(image)[..., y, x]
    factor = network.config.factor
    if y % factor == 0 and x % factor == 0:
        small = subsample(image, factor)
        logits = network.small(small, component.condition(1))
        return logits[..., y // factor, x // factor]
    return component.logits(image)[..., y, x]
