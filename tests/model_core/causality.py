"""The variables that a logit can see: measured by changing every variable in turn, and predicted from the paper.

Both are bool maps (C, H, W, C, H, W), [changed variable, variable whose logits are watched].

    A Row LSTM of one layer: the logits of o see the pixels x, and so on up to the first row.

      two rows up   x x x x x x x x x x x
      one row up      x x x x x x x x x
      own row           x x x x o
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from model_core.components import Component, Member
from model_core.config import NetworkConfig
from model_core.kinds import part
from model_core.layers.field import drawn_before
from model_core.networks import MultiScaleNetwork, Network, build_network


@dataclass(frozen=True)
class Causality:
    """The result of changing every variable of an image. Pairs are (changed variable, variable whose logits moved)."""

    variables: int
    pairs: int
    leaks: int
    """Pairs that moved although the changed variable is drawn later, or is the logits' own."""
    allowed: int
    """Pairs whose first is drawn before the second: what equation 2 lets a network see."""
    moved: int
    """Allowed pairs that moved."""
    predicted: int
    """Allowed pairs in the field that the network's layers should have."""

    @property
    def coverage(self) -> float:
        """Share of the allowed pairs that moved."""
        return self.moved / self.allowed if self.allowed else 1.0


def measure(config: NetworkConfig) -> Causality:
    """Probe a random network of this config on a random image, in double precision."""
    moved = moved_pairs(config)
    before = drawn_before(config)
    return Causality(
        variables=config.dimensions,
        pairs=moved.numel(),
        leaks=int((moved & ~before).sum()),
        allowed=int(before.sum()),
        moved=int((moved & before).sum()),
        predicted=int(predicted_field(config).sum()),
    )


def moved_pairs(config: NetworkConfig) -> Tensor:
    """(C, H, W, C, H, W) bool: the logits that move when one variable takes any other value.

    Of a Multi-Scale network, those of its large network, the small image held fixed.
    """
    shape = (config.channels, config.height, config.width)
    image = torch.randint(
        0, config.values, shape, generator=torch.Generator().manual_seed(1)
    )
    with torch.inference_mode():
        moved = _movements(_logits(wide_awake(config), image), image, config.values)
    return moved.view(*shape, *shape)


def wide_awake(config: NetworkConfig, seed: int = 7) -> Network:
    """A double-precision network in which every path passes something on: random biases beside random weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(config).double().eval().requires_grad_(False)
    generator = torch.Generator().manual_seed(seed + 1)
    for parameter in network.parameters():
        if parameter.dim() == 1:
            parameter.add_(
                0.3
                * torch.randn(parameter.shape, generator=generator, dtype=torch.float64)
            )
    return network


def _logits(network: Network, image: Tensor) -> Callable[[Tensor], Tensor]:
    """values (B, C, H, W) -> logits (B, V, C, H, W); a condition stays that of `image` (C, H, W)."""
    component = Component(Member(network), 0 if network.config.labels else None)
    if not isinstance(network, MultiScaleNetwork):
        return component.logits
    factor = network.config.factor
    condition = network.condition(
        image[None, :, ::factor, ::factor], component.condition(1)
    )
    return lambda values: network.large(
        values, condition.expand(len(values), -1, -1, -1)
    )


def _movements(
    logits: Callable[[Tensor], Tensor], image: Tensor, values: int
) -> Tensor:
    """(N, N) bool for the N = C * H * W variables of an image (C, H, W): one batch entry for each changed variable.

    The unchanged image fills a batch of its own, because rounding may depend on the place in a batch, and never on the
    neighbours.
    """
    N = image.numel()
    batch = image.repeat(N, 1, 1, 1)
    base = logits(batch)
    moved = torch.zeros(N, N, dtype=torch.bool)
    for _ in range(values - 1):
        batch.view(N, N).diagonal().add_(1).remainder_(values)
        moved |= (logits(batch) != base).any(1).view(N, N)
    return moved


def predicted_field(config: NetworkConfig) -> Tensor:
    """(C, H, W, C, H, W) bool: the field that follows from the network's layers, exactly."""
    return part(config.kind.field)(config)
