"""The networks of section 4: one stack of layers between a mask-A convolution and a softmax head.

values --7x7 mask A--> x (2h) --[ layer: 2h -> h, 1x1 back to 2h, + x ] * layers--> top --head--> logits
                                      \\__ 1x1 skip, 2h, summed into top _________/
"""

from collections.abc import Sequence
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_core.config import NetworkConfig
from model_core.distribution import Categorical
from model_core.errors import ConfigError
from model_core.kinds import INPUT_REACH, part
from model_core.layers.groups import colour_of
from model_core.layers.head import Head
from model_core.layers.masked_conv import MaskedConv2d

INPUT_KERNEL = 2 * INPUT_REACH + 1

Layer = TypeVar("Layer", bound=nn.Module)

Written = tuple[tuple[int, int], ...]
"""Address of each parameter, and how often it was written to."""


class Block(nn.Module):
    """One layer with its ways on: `up` to the residual stream (figure 5) and, if asked, `skip` to the output."""

    def __init__(self, config: NetworkConfig, conditioning: int) -> None:
        super().__init__()
        colours = config.channels
        stream, hidden = (
            colour_of(config.features, colours),
            colour_of(config.hidden, colours),
        )
        self.layer: nn.Module = part(config.kind.layer)(
            config.features, config.hidden, colours, conditioning
        )
        self.up = MaskedConv2d(hidden, stream)
        self.skip = MaskedConv2d(hidden, stream) if config.skip else None


class FusedPass(Protocol):
    """A faster way from the first map to the logits than the plain modules, equal to them up to rounding."""

    def suits(self, network: "PixelNetwork", x: Tensor) -> bool:
        """Can it take this first map (B, 2h, H, W), and is it faster?"""
        ...

    def logits(
        self, network: "PixelNetwork", x: Tensor, condition: Tensor | None
    ) -> Tensor:
        """(B, 2h, H, W) and (B, c, H, W) or (B, K, 1, 1) -> (B, V, C, H, W)."""
        ...

    def nats(
        self,
        network: "PixelNetwork",
        x: Tensor,
        condition: Tensor | None,
        values: Tensor,
    ) -> Tensor:
        """-ln p of values (B, C, H, W), int64: what the network's distribution says of the logits."""
        ...


class PixelNetwork(nn.Module):
    """values (B, C, H, W), integers 0..V-1 -> logits (B, V, C, H, W): the teacher-forced pass, and the truth.

    The logits of colour c at (y, x) depend on the pixels above and to the left of it, and on the colours before c of
    the pixel itself (equation 2). Any H and W will do; config's are those it was made for.
    """

    def __init__(self, config: NetworkConfig, conditioning: int = 0) -> None:
        """conditioning: features of the map that biases every layer: for the large network of a Multi-Scale one, and of
        one pixel, the label, for a network with labels."""
        super().__init__()
        self.config = config
        self.conditioning = conditioning
        colours = config.channels
        read = torch.arange(config.inputs) % colours
        self.input = MaskedConv2d(
            read, colour_of(config.features, colours), INPUT_KERNEL, mask="A"
        )
        if config.categories:  # V numbers of a pixel are read, of which one is not 0
            self.input.weight.data *= config.values**0.5
        self.blocks = cast(
            Sequence[Block],
            nn.ModuleList(Block(config, conditioning) for _ in range(config.layers)),
        )
        self.distribution = Categorical(config.values)
        self.head = Head(
            config.features, config.head, colours, self.distribution.outputs
        )
        self._fused: FusedPass | None = part(config.kind.fused)

    def forward(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """condition (B, c, H, W): the upsampled small image, for the large network of a Multi-Scale one; (B, K, 1, 1),
        `of_labels`, for a network with labels."""
        x = self._first(values, condition)
        if self._fused is not None and self._fused.suits(self, x):
            return self._fused.logits(self, x, condition)
        return self.head(self.trunk(x, condition))

    def fuses(self, values: Tensor) -> bool:
        """Does `forward` take the fused pass for these values (B, C, H, W)?"""
        return self._fused is not None and self._fused.suits(
            self, self.input(self.encode(values))
        )

    def of_labels(self, labels: Tensor) -> Tensor:
        """Condition of images with these labels (B,), int64: each a map of one pixel, (B, K, 1, 1)."""
        return functional.one_hot(labels, self.conditioning).to(self.input.bias)[
            :, :, None, None
        ]

    def _first(self, values: Tensor, condition: Tensor | None) -> Tensor:
        """The first map (B, 2h, H, W). Raises ConfigError where what biases the layers is missing."""
        if self.conditioning and condition is None:
            raise ConfigError(
                "this network is asked given something: a label, or the small image"
            )
        return self.input(self.encode(values))

    def nats_map(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """-ln p of every variable given those before it: values (B, C, H, W) -> nats (B, C, H, W)."""
        values = values.long()
        x = self._first(values, condition)
        if self._fused is not None and self._fused.suits(self, x):
            return self._fused.nats(self, x, condition, values)
        return self.distribution.nats(self.head(self.trunk(x, condition)), values)

    def encode(self, values: Tensor) -> Tensor:
        """Integers 0..V-1 as the first convolution reads them, in the network's own precision: (B, C, H, W), scaled and
        centred to -1..1 (section 5.2); of categories (B, V, H, W), a one in the place of each value."""
        dtype, V = self.input.bias.dtype, self.config.values
        if self.config.categories:
            return (values == torch.arange(V, device=values.device)[:, None, None]).to(
                dtype
            )
        return values.to(dtype) * (2.0 / (V - 1)) - 1.0

    def written(self) -> Written | None:
        """State of the weights that tells whether something made of them is still true; None for weights that were made
        in inference mode, where nobody counts how often a tensor is written to."""
        parameters = [*self.parameters()]
        if any(parameter.is_inference() for parameter in parameters):
            return None
        return tuple(
            (parameter.data_ptr(), parameter._version) for parameter in parameters
        )

    def trunk(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The stack in plain torch: (B, 2h, H, W) -> the top map (B, 2h, H, W)."""
        skips = None
        for block in self.blocks:
            hidden = block.layer(x, condition)  # (B, h, H, W)
            x = block.up(hidden) + x if self.config.residual else block.up(hidden)
            if block.skip is not None:
                skips = (
                    block.skip(hidden) if skips is None else skips + block.skip(hidden)
                )
        return x if skips is None else x + skips


def layer_of(block: Block, kind: type[Layer]) -> Layer:
    """The block's layer, which is of this kind."""
    assert isinstance(block.layer, kind)
    return block.layer
