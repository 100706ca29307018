"""The networks of section 4: a stack of layers between a convolution with mask A and a
softmax head.

    values --7 x 7, mask A--> x (2h features)
    x --[ layer: 2h -> h, 1 x 1 back to 2h, + x ] * layers--> top (2h)
         \\__ 1 x 1 skip of each layer, 2h, added to top
    top --head--> logits
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

WeightVersions = tuple[tuple[int, int], ...]
"""For each parameter its address in memory and the number of times it was written to.
"""


class Block(nn.Module):
    """One layer of the network and the 1 x 1 convolutions of its output.

    A block only holds these modules and has no `forward`: `PixelNetwork.trunk` applies
    them.

    layer: the layer of the config's kind, which maps (B, 2h, H, W) to (B, h, H, W).
    up: h -> 2h features; its output is added to the residual stream (figure 5), or
        replaces it if the config has no residual connections.
    skip: h -> 2h features; its output is added to the top map. None if the config has
        no skip connections.
    """

    def __init__(self, config: NetworkConfig, conditioning: int) -> None:
        """Make the modules with random weights from torch's global generator.

        conditioning: features of the conditioning map that the layer reads; 0 for none.
        """
        super().__init__()
        colours = config.channels
        stream = colour_of(config.features, colours)
        hidden = colour_of(config.hidden, colours)
        self.layer: nn.Module = part(config.kind.layer)(
            config.features, config.hidden, colours, conditioning
        )
        self.up = MaskedConv2d(hidden, stream)
        self.skip = MaskedConv2d(hidden, stream) if config.skip else None


class FusedPass(Protocol):
    """What a fast implementation of a kind's teacher-forced pass provides: from the
    output of the first convolution to the logits, equal to the plain modules up to
    rounding.

    model_core.fused has one for each kind; `PixelNetwork` uses it if `suits` returns
    True.
    """

    def suits(self, network: "PixelNetwork", x: Tensor) -> bool:
        """Return True if this pass can compute the network for the first map x (B, 2h,
        H, W), and is expected to be faster than the plain modules."""
        ...

    def logits(
        self, network: "PixelNetwork", x: Tensor, condition: Tensor | None
    ) -> Tensor:
        """Return the logits (B, V, C, H, W); `suits` is True for x.

        x: output of the network's first convolution, (B, 2h, H, W).
        condition: conditioning map (B, c, H, W) or (B, K, 1, 1); None for a network
            without conditioning.
        """
        ...

    def nats(
        self,
        network: "PixelNetwork",
        x: Tensor,
        condition: Tensor | None,
        values: Tensor,
    ) -> Tensor:
        """Return -ln p of each variable of the images `values`, (B, C, H, W); `suits`
        is True for x.

        x: output of the first convolution.
        condition: the conditioning map or labels, or None.
        values: int64 (B, C, H, W), 0..V-1, the images from which x was computed.
        """
        ...


class PixelNetwork(nn.Module):
    """values (B, C, H, W), integers 0..V-1 -> logits (B, V, C, H, W).

    This is the teacher-forced pass: it takes whole images and defines what the model's
    probabilities are. All faster ways to draw and to score are tested against it.

    The logits of colour c at (y, x) depend on the pixels above and to the left of it,
    and on the colours before c of the pixel itself (equation 2). H and W may differ
    from those of the config, which are those of the training images.

    config: its sizes.
    conditioning: features of its conditioning map; 0 if it has none.
    input: the first convolution, 7 x 7 with mask A.
    blocks: its layers, first to last.
    distribution: reads nats and draws from the logits.
    head: makes logits from the top map.
    """

    def __init__(self, config: NetworkConfig, conditioning: int = 0) -> None:
        """Make the layers with random weights from torch's global generator.

        conditioning: features of the conditioning map, which is an upsampled small
            image (the large network of Multi-Scale) or a label; 0 for a network without
            conditioning.
        """
        super().__init__()
        self.config = config
        self.conditioning = conditioning
        colours = config.channels
        read = torch.arange(config.inputs) % colours
        self.input = MaskedConv2d(
            read, colour_of(config.features, colours), INPUT_KERNEL, mask="A"
        )
        if config.categories:
            # A pixel is read as V numbers of which only one is not 0.
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
        """Return the logits (B, V, C, H, W) of whole images, in the dtype of the
        weights.

        values: (B, C, H, W), integers 0..V-1.
        condition: the conditioning map: (B, c, H, W), an upsampled small image, or (B,
            K, 1, 1), the result of `of_labels`. A network without conditioning ignores
            it.

        Raises ConfigError if the network needs a condition and it is None.
        """
        x = self._first(values, condition)
        if self._fused is not None and self._fused.suits(self, x):
            return self._fused.logits(self, x, condition)
        return self.head(self.trunk(x, condition))

    def fuses(self, values: Tensor) -> bool:
        """Return True if `forward` would use the fast pass (`FusedPass`) for these
        values (B, C, H, W), integers 0..V-1."""
        # The first convolution is computed for this: the pass decides by its output.
        return self._fused is not None and self._fused.suits(
            self, self.input(self.encode(values))
        )

    def of_labels(self, labels: Tensor) -> Tensor:
        """Return labels (B,), int64, 0..K-1, as a conditioning map (B, K, 1, 1):
        one-hot, in the dtype and on the device of the weights."""
        one_hot = functional.one_hot(labels, self.conditioning).to(self.input.bias)
        return one_hot[:, :, None, None]

    def _first(self, values: Tensor, condition: Tensor | None) -> Tensor:
        if self.conditioning and condition is None:
            raise ConfigError(
                "this network is conditioned: expected a label or a small image"
            )
        return self.input(self.encode(values))

    def nats_map(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return -ln p of every variable given the variables before it, (B, C, H, W);
        the sum over an image is its -ln p.

        values: (B, C, H, W), integers 0..V-1.
        condition: the conditioning map or labels of a network that reads one.
        """
        values = values.long()
        x = self._first(values, condition)
        if self._fused is not None and self._fused.suits(self, x):
            return self._fused.nats(self, x, condition, values)
        return self.distribution.nats(self.head(self.trunk(x, condition)), values)

    def encode(self, values: Tensor) -> Tensor:
        """Return images as the input of the first convolution, in the dtype of the
        weights.

        values: (B, C, H, W), integers 0..V-1. The result has the same shape and is
            scaled to -1..1 (section 5.2). For a network of categories, which has C = 1,
            the result is one-hot instead, (B, V, H, W).
        """
        dtype = self.input.bias.dtype
        V = self.config.values
        if self.config.categories:
            categories = torch.arange(V, device=values.device)[:, None, None]
            return (values == categories).to(dtype)
        return values.to(dtype) * (2.0 / (V - 1)) - 1.0

    def weight_versions(self) -> WeightVersions | None:
        """Return a value that changes when a parameter is written to or replaced.
        Caches of results that depend on the weights compare it.

        Some changes are missed: torch does not count writes through `.data`; and a
        parameter may be replaced by a new one at the same address, after the memory of
        the old one was freed. For weights made in inference mode torch counts no writes
        at all, so None is returned.
        """
        parameters = [*self.parameters()]
        if any(parameter.is_inference() for parameter in parameters):
            return None
        return tuple(
            (parameter.data_ptr(), parameter._version) for parameter in parameters
        )

    def trunk(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """Return the top map (B, 2h, H, W), computed by the plain modules, never by the
        fast pass.

        x: output of the first convolution, (B, 2h, H, W).
        condition: the conditioning map or labels of a network that reads one; not
            checked.
        """
        skips = None
        for block in self.blocks:
            hidden = block.layer(x, condition)  # (B, h, H, W)
            x = block.up(hidden) + x if self.config.residual else block.up(hidden)
            if block.skip is not None:
                skip = block.skip(hidden)
                skips = skip if skips is None else skips + skip
        return x if skips is None else x + skips


def layer_of(block: Block, kind: type[Layer]) -> Layer:
    """Return the layer of a block, which is of the class `kind`."""
    assert isinstance(block.layer, kind)
    return block.layer
