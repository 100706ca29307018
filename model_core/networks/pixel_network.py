"""The networks of section 4: one stack of layers between a mask-A convolution and a softmax head.

values --7x7 mask A--> x (2h) --[ layer: 2h -> h, 1x1 back to 2h, + x ] * layers--> top --head--> logits
                                      \\__ 1x1 skip, 2h, summed into top _________/
"""

from collections.abc import Sequence
from typing import TypeVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_core.config import NetworkConfig
from model_core.fused.network import fused_logits, fuses
from model_core.layers.diagonal_bilstm import DiagonalBiLSTM
from model_core.layers.groups import colour_of
from model_core.layers.head import Head
from model_core.layers.masked_conv import MaskedConv2d
from model_core.layers.pixel_cnn import ConvolutionLayer
from model_core.layers.row_lstm import RowLSTM

LAYERS = {"pixel-cnn": ConvolutionLayer, "row-lstm": RowLSTM, "diagonal-bilstm": DiagonalBiLSTM}

Layer = TypeVar("Layer", ConvolutionLayer, RowLSTM, DiagonalBiLSTM)

INPUT_KERNEL = 7


class Block(nn.Module):
    """One layer with its ways on: `up` to the residual stream (figure 5) and, if asked, `skip` to the output."""

    def __init__(self, config: NetworkConfig, conditioning: int) -> None:
        super().__init__()
        colours = config.channels
        stream, hidden = colour_of(config.features, colours), colour_of(config.hidden, colours)
        self.layer = LAYERS[config.network](config.features, config.hidden, colours, conditioning)
        self.up = MaskedConv2d(hidden, stream)
        self.skip = MaskedConv2d(hidden, stream) if config.skip else None


class PixelNetwork(nn.Module):
    """values (B, C, H, W), integers 0..V-1 -> logits (B, V, C, H, W): the teacher-forced pass, and the truth.

    The logits of colour c at (y, x) depend on the pixels above and to the left of it, and on the colours before c of
    the pixel itself (equation 2). Any H and W will do; config's are those it was made for.
    """

    def __init__(self, config: NetworkConfig, conditioning: int = 0) -> None:
        """conditioning: features of the map that biases every layer, for the second stage of a Multi-Scale network."""
        super().__init__()
        self.config = config
        self.conditioning = conditioning
        colours = config.channels
        self.input = MaskedConv2d(torch.arange(colours), colour_of(config.features, colours), INPUT_KERNEL, mask="A")
        self.blocks = cast(Sequence[Block], nn.ModuleList(Block(config, conditioning) for _ in range(config.layers)))
        self.head = Head(config.features, config.head, colours, config.values)

    def forward(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """condition (B, c, H, W): the upsampled small image of a Multi-Scale network's second stage."""
        x = self.input(self.scale(values))  # (B, 2h, H, W)
        return fused_logits(self, x, condition) if fuses(self, x) else self.head(self.trunk(x, condition))

    def nats_map(self, values: Tensor, condition: Tensor | None = None) -> Tensor:
        """-ln p of every variable given those before it: values (B, C, H, W) -> nats (B, C, H, W)."""
        values = values.long()
        logits = self(values, condition)  # (B, V, C, H, W)
        if logits.stride(1) > 1:
            return functional.cross_entropy(logits, values, reduction="none")
        rows = logits.permute(3, 4, 0, 2, 1)  # (H, W, B, C, V), as they lie
        nats = functional.cross_entropy(rows.flatten(0, 3), values.permute(2, 3, 0, 1).flatten(), reduction="none")
        return nats.view(rows.shape[:-1]).permute(2, 3, 0, 1)

    def scale(self, values: Tensor) -> Tensor:
        """Integers 0..V-1 scaled and centred to -1..1 (section 5.2), in the network's own precision."""
        return values.to(self.input.bias.dtype) * (2.0 / (self.config.values - 1)) - 1.0

    def trunk(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """The stack in plain torch: (B, 2h, H, W) -> the top map (B, 2h, H, W)."""
        skips = None
        for block in self.blocks:
            hidden = block.layer(x, condition)  # (B, h, H, W)
            x = block.up(hidden) + x if self.config.residual else block.up(hidden)
            if block.skip is not None:
                skips = block.skip(hidden) if skips is None else skips + block.skip(hidden)
        return x if skips is None else x + skips


def layer_of(block: Block, kind: type[Layer]) -> Layer:
    """The block's layer, which is of this kind."""
    assert isinstance(block.layer, kind)
    return block.layer
