"""How much each earlier pixel matters for what a model expects of one pixel: a slope, by one backward pass."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import one_hot

from model_core.components import Component
from model_core.distribution import Categorical
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
    FloatingPointError when the network gives a number that is not finite.

    Categories have no brightness: there it is how fast the probability of the one at (y, x) grows as an earlier pixel
    goes on from an even mixture of all categories to its own.
    """
    component = component_for(model, orientation, label)
    row, column = place_of(component.orientation, values.shape, y, x)
    V = model.config.values
    with torch.inference_mode(False), torch.enable_grad():
        image = torch.from_numpy(values.astype(np.float64))[None].to(model.device)
        image = turn(image, component.orientation).contiguous()
        worth, way = (
            torch.linspace(0, 1, V, dtype=torch.float64, device=model.device),
            torch.tensor(V - 1.0),
        )
        if model.config.categories:
            image = (
                one_hot(image.long(), V).movedim(-1, 1)[:, :, 0].to(image)
            )  # (1, V, H, W)
            worth, way = (
                (torch.arange(V, device=model.device) == int(values[0, y, x])).double(),
                image - 1 / V,
            )
        logits = _logits_at(component, image.requires_grad_(), row, column)
        pull, size = _pull(logits.detach(), component.network.distribution, worth)
        (slope,) = torch.autograd.grad(logits, image, pull)
    slope[..., row, column] = (
        0  # of several colours, the earlier ones of the pixel itself
    )
    influence = (
        turn_back((slope * way)[0].sum(0).detach(), component.orientation).cpu().numpy()
        * size
    )
    if not np.isfinite(influence).all():
        raise FloatingPointError("the network gave an influence that is not finite")
    return influence


def _pull(
    logits: Tensor, distribution: Categorical, worth: Tensor
) -> tuple[Tensor, float]:
    """How the expected worth (V,) of a value changes with each of the logits (V, C), as a direction and its size: where
    the network is all but sure, the product would be too small for single precision on its way back."""
    shares = distribution.probabilities(logits)
    pull = (
        shares * (worth[:, None] - (shares * worth[:, None]).sum(0)) / logits.shape[1]
    )
    size = float(pull.abs().max())
    return (pull / size if size else pull).to(logits.dtype), size


def _logits_at(component: Component, image: Tensor, y: int, x: int) -> Tensor:
    """(V, C) of the network that draws the pixel, from real values (1, C, H, W), or shares of categories (1, V, H, W),
    through which gradients flow."""
    network, label = component.network, component.condition(1)
    if not isinstance(network, MultiScaleNetwork):
        return _plain(network, image[..., : y + 1, :], label)[
            ..., y, x
        ]  # no row below has a say
    factor = network.config.factor
    small = subsample(image, factor)
    if y % factor == 0 and x % factor == 0:
        return _plain(network.small, small, label)[..., y // factor, x // factor]
    return _plain(network.large, image, network.condition(small, label))[..., y, x]


def _plain(
    network: PixelNetwork, image: Tensor, condition: Tensor | None = None
) -> Tensor:
    """(V, C, H, W): the pass in plain torch, because a fused one has no way back to the values."""
    seen = (
        image.to(network.input.bias)
        if network.config.categories
        else network.encode(image)
    )
    return network.head(network.trunk(network.input(seen), condition))[0]
