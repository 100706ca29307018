"""The teacher-forced pass on a CPU: what PixelNetwork computes in plain torch, many times faster.

Equal to the plain modules up to float32 rounding, values and gradients. Maps are canvases (canvas.py), whose batch is a
multiple of four images. A kind's own file says how its layer goes. Under torch.autocast, on a processor that can,
products are of bf16 numbers; all sums are float32.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from model_core.compiled.vector_code import HAS_BF16, ROWS
from model_core.fused.canvas import Canvas
from model_core.fused.nats import end_of
from model_core.fused.products import masked_linear
from model_core.fused.trunk import FusedBlock, trunk
from model_core.networks.pixel_network import PixelNetwork

PART_BYTES = 2**23
"""Limit of a map, in bytes: without gradients, images are passed in chunks whose maps are at most this large."""


@dataclass(frozen=True)
class FusedNetwork:
    """A FusedPass for one kind of network: how its blocks go.

    fits: can the layer of this network take so many images, and does it pay?
    """

    block: FusedBlock
    fits: Callable[[PixelNetwork, int], bool]

    def suits(self, network: PixelNetwork, x: Tensor) -> bool:
        """Float32 on a CPU, or bf16 by autocast, where the layer fits."""
        dtypes = (
            (torch.float32, torch.bfloat16)
            if HAS_BF16 and _is_autocast()
            else (torch.float32,)
        )
        return (
            x.device.type == "cpu" and x.dtype in dtypes and self.fits(network, len(x))
        )

    def logits(
        self, network: PixelNetwork, x: Tensor, condition: Tensor | None
    ) -> Tensor:
        """PixelNetwork.trunk and its head: (B, 2h, H, W) and (B, c, H, W) -> (B, V, C, H, W).

        The values of a variable lie side by side.
        """
        canvas, head = _canvas(x), network.head
        with torch.autocast("cpu", enabled=False):
            wide = self._wide(network, x, condition, canvas)
            logits = masked_linear(
                wide, head.output, canvas.dtype, rectify=False
            )  # (M, C * V)
            return (
                canvas.maps(logits, len(x))
                .unflatten(1, (head.colours, head.outputs))
                .transpose(1, 2)
            )

    def nats(
        self, network: PixelNetwork, x: Tensor, condition: Tensor | None, values: Tensor
    ) -> Tensor:
        """-ln p of every variable: (B, 2h, H, W), (B, c, H, W) and values (B, C, H, W) -> (B, C, H, W)."""
        if torch.is_grad_enabled():
            return self._nats(network, x, condition, values)
        count = max(
            ROWS, PART_BYTES // (x[0].numel() * x.element_size()) // ROWS * ROWS
        )
        conditions = [None] * len(x) if condition is None else condition.split(count)
        parts = zip(x.split(count), conditions, values.split(count), strict=False)
        return torch.cat([self._nats(network, *part) for part in parts])

    def _nats(
        self, network: PixelNetwork, x: Tensor, condition: Tensor | None, values: Tensor
    ) -> Tensor:
        end = end_of(network.head)
        if end is None:
            return network.distribution.nats(self.logits(network, x, condition), values)
        canvas = _canvas(x)
        with torch.autocast("cpu", enabled=False):
            wide = self._wide(network, x, condition, canvas)
            return canvas.maps(
                end(wide, network.head, canvas.of(values), canvas.dtype), len(x)
            )

    def _wide(
        self, network: PixelNetwork, x: Tensor, condition: Tensor | None, canvas: Canvas
    ) -> Tensor:
        """The trunk and all of the head but its last 1x1: (B, 2h, H, W) and (B, c, H, W) -> (M, head)."""
        top = trunk(self.block, network, x, condition, canvas)  # (M, 2h)
        wide = masked_linear(top, network.head.first, canvas.dtype, rectify=True)
        return masked_linear(wide, network.head.second, canvas.dtype, rectify=True)


def _canvas(x: Tensor) -> Canvas:
    B, _, H, W = x.shape
    return Canvas(
        B + -B % ROWS, H, W, torch.bfloat16 if _is_autocast() else torch.float32
    )


def _is_autocast() -> bool:
    return torch.is_autocast_enabled("cpu")
