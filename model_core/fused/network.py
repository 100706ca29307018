"""The teacher-forced pass on a CPU: what PixelNetwork computes in plain torch, many times faster for recurrent layers.

Equal to the plain modules up to float32 rounding, values and gradients. Maps are canvases (canvas.py); for the scans
the batch is padded to a multiple of four images. A kind's own file says how its layer goes.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from model_core.fused.canvas import from_canvas, to_canvas
from model_core.fused.products import Outputs, masked_linear
from model_core.networks.pixel_network import PixelNetwork


@dataclass(frozen=True)
class FusedNetwork:
    """A FusedPass for one kind of layer.

    layer(module, canvas (Q, B', 2h), condition (Q, B', c) or None, H, W) -> (Q, B', h), whose features outside the
    image mean nothing. tile: the batch B' is padded to a multiple of so many images. fits: can the layer of this
    network take so many images, and does it pay?
    """

    layer: Callable[[Any, Tensor, Tensor | None, int, int], Tensor]
    tile: int
    fits: Callable[[PixelNetwork, int], bool]

    def suits(self, network: PixelNetwork, x: Tensor) -> bool:
        """Float32 on a CPU, where the layer fits."""
        return x.device.type == "cpu" and x.dtype == torch.float32 and self.fits(network, len(x))

    def logits(self, network: PixelNetwork, x: Tensor, condition: Tensor | None) -> Tensor:
        """PixelNetwork.trunk and its head on canvases: (B, 2h, H, W) and (B, c, H, W) -> (B, V, C, H, W).

        The values of a variable lie side by side.
        """
        B, _, H, W = x.shape
        head = network.head
        top = self._trunk(network, x, condition).relu()  # (Q, B', 2h)
        wide = masked_linear(top, head.first).relu_()  # (Q, B', head)
        wide = masked_linear(wide, head.second).relu_()
        logits = masked_linear(wide, head.output)  # (Q, B', C * V)
        return from_canvas(logits, B, H, W).unflatten(1, (head.colours, head.values)).transpose(1, 2)

    def _trunk(self, network: PixelNetwork, x: Tensor, condition: Tensor | None) -> Tensor:
        """(B, 2h, H, W) and (B, c, H, W) -> the top map (Q, B', 2h)."""
        _, _, H, W = x.shape
        canvas = to_canvas(x, self.tile)  # (Q, B', 2h)
        places = canvas.shape[:2]
        stream = canvas.flatten(0, 1)
        upsampled = None if condition is None else to_canvas(condition, self.tile)  # (Q, B', c)
        skips = None
        for block in network.blocks:
            hidden = self.layer(block.layer, stream.unflatten(0, places), upsampled, H, W).flatten(0, 1)  # (Q * B', h)
            ways = [block.up.matrix(), block.up.bias, stream if network.config.residual else None]
            if block.skip is None:
                (stream,) = Outputs.apply(hidden, *ways)  # type: ignore[misc]
            else:
                ways += [block.skip.matrix(), block.skip.bias, skips]
                stream, skips = Outputs.apply(hidden, *ways)  # type: ignore[misc]
        return (stream if skips is None else stream + skips).unflatten(0, places)
