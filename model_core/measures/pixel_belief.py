"""The expectation of one pixel by a model: of each colour the probability of every value, given all before it."""

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
    """p(value | everything before it), of one colour of one pixel."""

    probabilities: NDArray[np.float64]
    """(V,), sums to 1."""
    value: int
    """The one that the picture has."""

    @property
    def entropy_bits(self) -> float:
        """Bits that the colour costs on average if the model is right."""
        p = self.probabilities[self.probabilities > 0]
        return float(-(p * np.log2(p)).sum()) + 0.0

    @property
    def bits(self) -> float:
        """Bits that its true value costs."""
        return (
            float(
                -np.log2(max(self.probabilities[self.value], np.finfo(np.float64).tiny))
            )
            + 0.0
        )


def pixel_belief(
    model: Model,
    values: NDArray[np.integer],
    y: int,
    x: int,
    orientation: Orientation | None = None,
    label: int | None = None,
) -> list[ColourBelief]:
    """One teacher-forced pass over the picture's values (C, H, W); a belief for each colour, red first (figure 6).

    The component of this orientation and label is asked, or the first: it expects the pixel given all before it in its
    own order. Of a Multi-Scale model the small network is asked where it draws the pixel, else the large one. Raises
    FloatingPointError when the network gives a probability that is not finite.
    """
    with torch.inference_mode():
        image = torch.from_numpy(values.astype(np.int64))[None].to(model.device)
        component = component_for(model, orientation, label)
        place = place_of(component.orientation, values.shape, y, x)
        logits = _logits(component, turn(image, component.orientation), *place)[0]
        shares = component.network.distribution.probabilities(logits).cpu().numpy()
    if not np.isfinite(shares).all():
        raise FloatingPointError("the network gave a probability that is not finite")
    return [
        ColourBelief(shares[:, colour], int(values[colour, y, x]))
        for colour in range(len(values))
    ]


def component_for(
    model: Model, orientation: Orientation | None, label: int | None
) -> Component:
    """The component of this orientation and label, or the first that has those which are asked for."""
    return next(
        c
        for c in model.components
        if orientation in (None, c.orientation) and label in (None, c.label)
    )


def place_of(
    orientation: Orientation, shape: tuple[int, ...], y: int, x: int
) -> tuple[int, int]:
    """Place of the pixel (y, x) of an image of this shape (C, H, W) once it is turned."""
    places = np.arange(shape[1] * shape[2]).reshape(shape[1:])
    row, column = np.argwhere(turn(places, orientation) == places[y, x])[0]
    return int(row), int(column)


def _logits(component: Component, image: Tensor, y: int, x: int) -> Tensor:
    """(1, V, C) of the network that draws the pixel."""
    network = component.network
    if not isinstance(network, MultiScaleNetwork):
        return component.logits(image)[..., y, x]
    factor = network.config.factor
    if y % factor == 0 and x % factor == 0:
        return network.small(subsample(image, factor), component.condition(1))[
            ..., y // factor, x // factor
        ]
    return component.logits(image)[..., y, x]
