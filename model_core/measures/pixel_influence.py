"""How much each earlier pixel matters for what a model expects of one pixel: a slope, by one backward pass."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.components import Component
from model_core.distribution import Categorical
from model_core.errors import ConfigError
from model_core.layers.conditioning import subsample
from model_core.measures.pixel_belief import component_for, place_of
from model_core.models import Model
from model_core.networks import MultiScaleNetwork, PixelNetwork
from model_core.orientation import Orientation, turn, turn_back


def pixel_influence(
    model: Model,
    values: NDArray[np.integer],
    y: int,
    x: int,
    orientation: Orientation | None = None,
    label: int | None = None,
) -> NDArray[np.float64]:
    """(H, W): how fast the brightness that is expected at (y, x) grows with the brightness of each earlier pixel.

    Brightness goes from 0, black, to 1, white; the expected one is sum_v p(v) v / (V - 1), the mean over the colours,
    and an earlier pixel's colours grow together. With two values it is the slope of p(white). The network reads values
    as real numbers, so this is a gradient at the picture (C, H, W), and no difference between two pictures.

    Exactly 0 where the network sees nothing: outside of its receptive field, and at the pixel itself and all that are
    drawn after it. The component of this orientation and label is asked, or the first, as in `pixel_belief`; of a
    Multi-Scale model the network that draws the pixel, whose small image comes before all else. Raises
    FloatingPointError when the network gives a number that is not finite, ConfigError for categories.
    """
    if model.config.categories:
        raise ConfigError(f"{model.card.name} draws categories, which have no brightness that could have an influence")
    component = component_for(model, orientation, label)
    row, column = place_of(component.orientation, values.shape, y, x)
    brightest = model.config.values - 1
    with torch.inference_mode(False), torch.enable_grad():
        image = torch.from_numpy(values.astype(np.float64))[None].to(model.device)
        image = turn(image, component.orientation).contiguous().requires_grad_()
        logits = _logits_at(component, image, row, column)
        pull, size = _pull(logits.detach(), component.network.distribution)
        (slope,) = torch.autograd.grad(logits, image, pull)
    slope[..., row, column] = 0  # of several colours, the earlier ones of the pixel itself
    influence = turn_back(slope[0].sum(0), component.orientation).cpu().numpy() * size * brightest
    if not np.isfinite(influence).all():
        raise FloatingPointError("the network gave an influence that is not finite")
    return influence


def _pull(logits: Tensor, distribution: Categorical) -> tuple[Tensor, float]:
    """How the expected brightness changes with each of the logits (V, C), as a direction and its size: where the
    network is all but sure, the product would be too small for single precision on its way back."""
    V, C = logits.shape
    shares = distribution.probabilities(logits)
    brightness = torch.linspace(0, 1, V, dtype=torch.float64, device=logits.device)[:, None]
    pull = shares * (brightness - (shares * brightness).sum(0)) / C
    size = float(pull.abs().max())
    return (pull / size if size else pull).to(logits.dtype), size


def _logits_at(component: Component, image: Tensor, y: int, x: int) -> Tensor:
    """(V, C) of the network that draws the pixel, from real values (1, C, H, W), through which gradients flow."""
    network, label = component.network, component.condition(1)
    if not isinstance(network, MultiScaleNetwork):
        return _plain(network, image[..., : y + 1, :], label)[..., y, x]  # no row below has a say
    factor = network.config.factor
    small = subsample(image, factor)
    if y % factor == 0 and x % factor == 0:
        return _plain(network.small, small, label)[..., y // factor, x // factor]
    return _plain(network.large, image, network.condition(small, label))[..., y, x]


def _plain(network: PixelNetwork, image: Tensor, condition: Tensor | None = None) -> Tensor:
    """(V, C, H, W): the pass in plain torch, because a fused one has no way back to the values."""
    return network.head(network.trunk(network.input(network.encode(image)), condition))[0]
