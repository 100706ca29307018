"""The trunk of a network on a canvas as one differentiable operation: all blocks
forward, then all of them backward.

Autograd would keep a map for each sum of the residual stream and of the skip
connections, and would add gradients map by map. Here the stream, the skip sum and the
gradient of the stream are one map each, which the blocks update in place. The file of
each kind of network defines its block.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from model_core.fused.canvas import Canvas
from model_core.fused.products import Gradients
from model_core.networks.pixel_network import Block, PixelNetwork

Kept = list[Tensor]
"""Tensors that a block keeps from its forward pass for its backward pass."""


@dataclass
class Maps:
    """The maps that blocks update, and what they need with them. In the backward pass
    the maps are gradients instead."""

    canvas: Canvas
    """Their layout."""
    residual: bool
    """True if the network has residual connections."""
    keeps: bool
    """True if there will be a backward pass."""
    stream: Tensor
    """float32 (M, 2h): the residual stream."""
    skips: Tensor
    """(M, 2h): the skip sum, float32; its gradient has the canvas's dtype. No rows in a
    network without skip connections."""
    condition: Tensor | None
    """float32 (M, c): the conditioning map; None without one."""
    labels: Tensor | None
    """float32 (batch, K): one-hot labels of the images, the condition of a network with
    labels; None without labels."""

    def by_image(self, biases: Tensor) -> Tensor:
        """Return the biases of each image's label, (batch, F), given those of all
        labels, (F, K). Only with labels."""
        assert self.labels is not None
        return self.labels @ biases.t()


@dataclass(frozen=True)
class FusedBlock:
    """One block of one kind of network, as two functions that change maps in place."""

    forward: Callable[[Block, Maps, Kept | None], Kept]
    """forward(block, maps, before): update maps.stream and maps.skips, and return what
    the backward pass needs.

    before: what an earlier block returned, to be overwritten; None if that is still
        needed, or if there is none.
    """
    backward: Callable[[Block, Kept, Maps, Tensor | None, Gradients], None]
    """backward(block, kept, back, condition, gradients): change back.stream from the
    gradient of the stream after the block to that of the stream before it, add to
    back.condition, and store the gradient of each parameter of the block in
    `gradients`.

    kept: what `forward` returned.
    back: gradients; back.skips is that of the skip sum.
    condition: the conditioning map of the forward pass.
    """


def trunk(
    way: FusedBlock,
    network: PixelNetwork,
    x: Tensor,
    condition: Tensor | None,
    canvas: Canvas,
) -> Tensor:
    """Return the top map after ReLU, float32 (M, 2h), of a network on a canvas.
    Gradients can be computed.

    way: the block of the network's kind.
    x: the first map (B, 2h, H, W).
    condition: the conditioning map (B, c, H, W), one-hot labels (B, K, 1, 1), or None.
    canvas: for x.
    """
    if not torch.is_grad_enabled():
        # Autograd would look at each parameter, and hold Python's lock for so long.
        top, _, _ = _forward(way, network, x, condition, canvas, keeps=False)
        return top
    parameters = [
        parameter for block in network.blocks for parameter in block.parameters()
    ]
    return _Trunk.apply(x, condition, network, way, canvas, *parameters)  # type: ignore[no-any-return]


def _forward(
    way: FusedBlock,
    network: PixelNetwork,
    x: Tensor,
    condition: Tensor | None,
    canvas: Canvas,
    keeps: bool,
) -> tuple[Tensor, Maps, list[Kept]]:
    """Return what `trunk` returns, the maps, and what each block returned, which is
    overwritten by the next block if `keeps` is False."""
    stream = canvas.of(x.float())  # (M, 2h)
    skips = stream.new_zeros(len(stream) if network.config.skip else 0, stream.shape[1])
    seen = labels = None
    if condition is not None and network.config.labels:
        labels = functional.pad(
            condition.float().flatten(1), (0, 0, 0, canvas.batch - len(x))
        )
    elif condition is not None:
        seen = canvas.of(condition.float())  # (M, c)
    maps = Maps(canvas, network.config.residual, keeps, stream, skips, seen, labels)
    kept: list[Kept] = []
    for block in network.blocks:
        kept.append(way.forward(block, maps, kept[-1] if kept and not keeps else None))
    top = maps.stream.add_(maps.skips) if network.config.skip else maps.stream
    return top.relu_(), maps, kept


class _Trunk(torch.autograd.Function):
    """x (B, 2h, H, W), the condition or None, and the parameters of all blocks ->
    (M, 2h), float32."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        x: Tensor,
        condition: Tensor | None,
        network: PixelNetwork,
        way: FusedBlock,
        canvas: Canvas,
        *parameters: nn.Parameter,
    ) -> Tensor:
        top, maps, kept = _forward(way, network, x, condition, canvas, keeps=True)
        seen = maps.condition
        tensors = [tensor for each in kept for tensor in each]
        ctx.save_for_backward(
            top, *([] if seen is None else [seen]), *tensors, *parameters
        )
        ctx.network, ctx.way, ctx.canvas, ctx.batch, ctx.has_condition = (
            network,
            way,
            canvas,
            len(x),
            seen is not None,
        )
        ctx.labels = maps.labels
        return top

    @staticmethod
    def backward(ctx: Any, d_top: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        top, *saved = ctx.saved_tensors
        network, canvas = ctx.network, ctx.canvas
        seen = saved.pop(0) if ctx.has_condition else None
        parameters = [
            parameter for block in network.blocks for parameter in block.parameters()
        ]
        tensors = saved[: -len(parameters)]
        each = len(tensors) // len(network.blocks)
        d_stream = torch.ops.aten.threshold_backward(d_top, top, 0)
        d_skips = (
            d_stream.to(canvas.dtype, copy=True)
            if network.config.skip
            else d_stream[:0].to(canvas.dtype)
        )
        d_seen = None if seen is None else torch.zeros_like(seen)
        back = Maps(
            canvas, network.config.residual, True, d_stream, d_skips, d_seen, ctx.labels
        )
        gradients: Gradients = {}
        for block in reversed(network.blocks):
            kept = [tensors.pop() for _ in range(each)][::-1]
            ctx.way.backward(block, kept, back, seen, gradients)
        d_condition = (
            None if back.condition is None else canvas.maps(back.condition, ctx.batch)
        )
        ways = canvas.maps(back.stream, ctx.batch), d_condition, None, None, None
        return *ways, *(gradients[parameter] for parameter in parameters)
