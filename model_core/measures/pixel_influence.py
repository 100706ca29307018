"""How much each earlier pixel influences what a model expects of one pixel: a gradient,
computed by one backward pass."""

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
    """Return the derivative of the expected brightness at (y, x) with respect to the
    brightness of each earlier pixel, (H, W), upright.

    Brightness goes from 0 (black) to 1 (white); the expected one is sum_v p(v) v / (V -
    1), averaged over the colours, and the colours of an earlier pixel change together.
    The network reads values as real numbers, so this is a gradient at the picture's
    values, not a difference between two pictures. It is exactly 0 for pixels that the
    network does not see: those outside its receptive field, the pixel itself, and all
    that are drawn after it.

    For categories, which have no brightness, it is the derivative of the probability of
    the category at (y, x) as an earlier pixel changes from an even mixture of all
    categories to its own.

    values, y, x, orientation, label: as for `pixel_belief`.
    """
    component = component_for(model, orientation, label)
    row, column = place_of(component.orientation, values.shape, y, x)
    V = model.config.values
    with torch.inference_mode(False), torch.enable_grad():
        image = torch.from_numpy(values.astype(np.float64))[None].to(model.device)
        image = turn(image, component.orientation).contiguous()
        # worth (V,): what the expectation is taken of. direction: the change of the
        # input for which the derivative is taken, per unit of brightness.
        worth = torch.linspace(0, 1, V, dtype=torch.float64, device=model.device)
        direction = torch.tensor(V - 1.0)
        if model.config.categories:
            image = one_hot(image.long(), V).movedim(-1, 1)[:, :, 0].to(image)
            own = int(values[0, y, x])
            worth = (torch.arange(V, device=model.device) == own).double()
            direction = image - 1 / V  # (1, V, H, W)
        logits = _logits_at(component, image.requires_grad_(), row, column)
        pull, size = _pull(logits.detach(), component.network.distribution, worth)
        (slope,) = torch.autograd.grad(logits, image, pull)
    # Of several colours, the later ones depend on the earlier ones of the same pixel.
    slope[..., row, column] = 0
    along = (slope * direction)[0].sum(0).detach()  # (H, W)
    influence = turn_back(along, component.orientation).cpu().numpy() * size
    if not np.isfinite(influence).all():
        raise FloatingPointError("the network gave an influence that is not finite")
    return influence


def _pull(
    logits: Tensor, distribution: Categorical, worth: Tensor
) -> tuple[Tensor, float]:
    """Return the derivative of the expected worth with respect to the logits (V, C), as
    a direction and its size.

    worth: (V,), of each value. If the network is almost certain, the derivative itself
        would be too small for float32 on its way back through the network.
    """
    p = distribution.probabilities(logits)
    expected = (p * worth[:, None]).sum(0)  # (C,)
    pull = p * (worth[:, None] - expected) / logits.shape[1]
    size = float(pull.abs().max())
    if size:
        pull = pull / size
    return pull.to(logits.dtype), size


def _logits_at(component: Component, image: Tensor, y: int, x: int) -> Tensor:
    """Return the logits (V, C) at (y, x) of the network that draws this pixel, in a
    graph through which gradients flow.

    image: real values (1, C, H, W), or shares of categories (1, V, H, W).
    """
    network = component.network
    label = component.condition(1)
    if not isinstance(network, MultiScaleNetwork):
        # Rows below have no influence.
        return _plain(network, image[..., : y + 1, :], label)[..., y, x]
    factor = network.config.factor
    small = subsample(image, factor)
    if y % factor == 0 and x % factor == 0:
        return _plain(network.small, small, label)[..., y // factor, x // factor]
    return _plain(network.large, image, network.condition(small, label))[..., y, x]


def _plain(
    network: PixelNetwork, image: Tensor, condition: Tensor | None = None
) -> Tensor:
    """Return the logits (V, C, H, W) by the pass in plain torch."""
    if not network.config.categories:
        image = network.encode(image)
    # Shares of categories are already what the first convolution reads.
    # The fused pass has no gradient with respect to the values.
    image = image.to(network.input.bias)
    return network.head(network.trunk(network.input(image), condition))[0]
