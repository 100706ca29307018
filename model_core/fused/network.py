"""The teacher-forced pass on a CPU: the computation of PixelNetwork's plain torch, many
times faster.

Values and gradients equal those of the plain modules up to float32 rounding. Maps are
canvases (canvas.py), whose batch is padded to a multiple of four images. The file of
each kind of network defines its block. Under torch.autocast, on a CPU that supports it,
the factors of products are bfloat16; all sums are float32.
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
"""Upper bound of the size of a map, in bytes. Without gradients, images are scored in
parts whose maps are at most this large."""


@dataclass(frozen=True)
class FusedNetwork:
    """The fast pass of one kind of network on a CPU: a FusedPass
    (networks/pixel_network.py). The file of each kind has one, `FUSED`."""

    block: FusedBlock
    """One block of it."""
    fits: Callable[[PixelNetwork, int], bool]
    """fits(network, images) returns True if the compiled code supports the network's
    layers and is faster for this number of images."""

    def suits(self, network: PixelNetwork, x: Tensor) -> bool:
        """Return True if this pass can be used for the first map x (B, 2h, H, W) and is
        faster: the network fits, and x is on a CPU and float32 (or bfloat16 under
        torch.autocast, if the CPU has such products)."""
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
        """Return the logits (B, V, C, H, W) of PixelNetwork's trunk and head. In memory
        the logits of one variable are adjacent.

        x: first map (B, 2h, H, W), for which `suits` is True.
        condition: conditioning map (B, c, H, W), one-hot labels (B, K, 1, 1), or None.
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
        """Return -ln p of every variable, (B, C, H, W), without storing the logits if
        the head allows it.

        x: output of the first convolution.
        condition: the conditioning map or labels, or None.
        values: int64 (B, C, H, W), the images from which x was computed.
        """
        # Without gradients, images are scored in parts that bound the memory; with
        # them, all at once.
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
        """Return `nats`, for all images at once."""
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
        """Return the trunk and the head without its last 1 x 1: (B, 2h, H, W) and
        (B, c, H, W) -> (M, head)."""
        top = trunk(self.block, network, x, condition, canvas)  # (M, 2h)
        wide = masked_linear(top, network.head.first, canvas.dtype, rectify=True)
        return masked_linear(wide, network.head.second, canvas.dtype, rectify=True)


def _canvas(x: Tensor) -> Canvas:
    """Return the canvas for maps of x's shape."""
    B, _, H, W = x.shape
    return Canvas(
        B + -B % ROWS, H, W, torch.bfloat16 if _is_autocast() else torch.float32
    )


def _is_autocast() -> bool:
    return torch.is_autocast_enabled("cpu")
