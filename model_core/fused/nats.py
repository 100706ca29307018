"""The end of the head: nats of every variable, without storing the logits in memory
(compiled/head_nats.py)."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from model_core.compiled.head_nats import head_gradients, head_nats
from model_core.compiled.map_products import Ahead
from model_core.compiled.vector_code import LANES
from model_core.fused.panels import bits, panels
from model_core.fused.products import (
    Bounds,
    ahead,
    bounds_of,
    readers_of,
    reads_of,
    room,
    roomy,
)
from model_core.layers.head import Head

End = Callable[[Tensor, Head, Tensor, torch.dtype], Tensor]
"""end(wide, head, values, dtype): the last 1 x 1 convolution of the head, and -ln p. It
returns -ln p of each value, float32 (M, C).

wide: (M, head features), the input of that convolution.
values: int64 (M, C).
dtype: type of the factors of products.
"""


def end_of(head: Head) -> End | None:
    """Return the function that computes -ln p with this head without storing the
    logits: for two values of one colour, or a multiple of 16 logits per variable. None
    for other heads, whose logits have to be computed."""
    if head.outputs == 2 and head.colours == 1:
        return _nats_of_two
    return _nats_of_vectors if head.outputs % LANES == 0 else None


def _nats_of_two(
    wide: Tensor, head: Head, values: Tensor, dtype: torch.dtype
) -> Tensor:
    """Return the nats of two values of one colour. They need only the log-odds: ln(1 +
    e^-(log-odds of the actual value))."""
    weight, bias = head.output.masked_weight()[:, :, 0, 0].to(dtype), head.output.bias
    odds = (wide.to(dtype) @ (weight[1] - weight[0])).float() + (bias[1] - bias[0])
    return functional.softplus(odds[:, None] * (1 - 2 * values))


def _nats_of_vectors(
    wide: Tensor, head: Head, values: Tensor, dtype: torch.dtype
) -> Tensor:
    """Return the nats if each variable has a multiple of LANES logits."""
    conv = head.output
    if not torch.is_grad_enabled():
        return _nats(
            roomy(wide.to(dtype)), ahead(conv, dtype), values, len(conv.weight)
        )
    return _Nats.apply(
        wide, conv.masked_weight(), conv.bias, values, bounds_of(conv), dtype
    )  # type: ignore[no-any-return]


def _nats(
    wide: Tensor,
    product: Ahead,
    values: Tensor,
    outputs: int,
    slopes: Tensor | None = None,
) -> Tensor:
    """Return -ln p of values (M, C), float32 (M, C).

    wide: (M, I), with space in its rows (`roomy`).
    product: the weights, spans and bias of the last convolution.
    outputs: C * V.
    slopes: (M, C * V), in which the gradients of the logits are stored; None: they are
        not needed.
    """
    M, C = values.shape
    nats = torch.empty(M, C)
    if slopes is None:
        slopes = torch.empty(0, outputs)
    head_nats(
        bits(wide), *product, bits(values), outputs // C, bits(nats), bits(slopes)
    )
    return nats


class _Nats(torch.autograd.Function):
    """wide (M, I), weight (C * V, I, 1, 1), bias (C * V,), values (M, C) -> nats
    (M, C), float32."""

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        wide: Tensor,
        weight: Tensor,
        bias: Tensor,
        values: Tensor,
        bounds: Bounds,
        dtype: torch.dtype,
    ) -> Tensor:
        wide, weight = roomy(wide.to(dtype)), weight[:, :, 0, 0]
        M, O = len(values), len(weight)  # noqa: E741
        slopes = torch.empty(M if any(ctx.needs_input_grad) else 0, O)
        spans = reads_of(bounds, O, 4 // wide.element_size())
        product = Ahead(panels(weight.t(), dtype), spans, bits(bias))
        nats = _nats(wide, product, values, O, slopes)
        ctx.save_for_backward(wide, weight, slopes)
        ctx.bounds = bounds
        return nats

    @staticmethod
    def backward(ctx: Any, d_nats: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        wide, weight, slopes = ctx.saved_tensors
        O, I = weight.shape  # noqa: E741
        d_wide = wide.new_empty(len(wide), room(I))
        d_weight, d_bias = torch.zeros(1, room(I), O), torch.zeros(O)
        head_gradients(
            bits(wide),
            bits(slopes),
            bits(d_nats.contiguous()),
            panels(weight, wide.dtype),
            readers_of(ctx.bounds, I, O, 4 // wide.element_size()),
            reads_of(ctx.bounds, O),
            bits(d_wide),
            bits(d_weight),
            bits(d_bias),
        )
        return (
            d_wide[:, :I],
            d_weight[0, :I].t()[:, :, None, None],
            d_bias,
            None,
            None,
            None,
        )
