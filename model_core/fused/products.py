"""What lies between the scans on canvases (compiled/scans.py), as matrix products: 1 x 1 and 3 x 3 convolutions.

The features of a position lie side by side, so that a 3 x 3 is a product for each of the five neighbours that its mask
leaves, the canvas shifted by some rows; and a colour group is a range of columns, so that in the wide 1 x 1 of the head
each colour is a product with the columns up to its own, and what the mask hides is left out. Maps are (M, F), M the
positions of all images; products take so many rows at a time that what they read and write stays in the second cache.
Equal to MaskedConv2d up to float32 rounding, values and gradients.
"""

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from model_core.layers.masked_conv import MaskedConv2d

CACHE_BYTES = 2**21

Groups = tuple[tuple[slice, slice], ...]
"""For each colour: its outputs, and the inputs that they read."""


def masked_linear(x: Tensor, conv: MaskedConv2d) -> Tensor:
    """A mask-B 1 x 1 on a map: (..., I) -> (..., O)."""
    assert conv.kernel == 1
    flat = _Linear.apply(x.flatten(0, -2), conv.weight, conv.bias, conv.groups)
    return flat.unflatten(0, x.shape[:-1])  # type: ignore[no-any-return]


def _chunks(rows: int, width: int) -> Iterator[slice]:
    """Ranges of rows whose maps, `width` floats a row, fit the cache."""
    step = max(64, CACHE_BYTES // (4 * width))
    return (slice(start, min(start + step, rows)) for start in range(0, rows, step))


def _multiply(x: Tensor, weight: Tensor, bias: Tensor, groups: Groups, out: Tensor) -> None:
    """out (M, O) = x (M, I) @ weight (O, I) transposed + bias, colour by colour."""
    for outputs, inputs in groups:
        torch.addmm(bias[outputs], x[:, inputs], weight[outputs, inputs].t(), out=out[:, outputs])


def _multiply_back(d_out: Tensor, weight: Tensor, groups: Groups, d_x: Tensor) -> None:
    """d_x (M, I) = d_out (M, O) @ weight (O, I): the inputs of a colour serve it and the colours after it."""
    ends = [0, *(inputs.stop for _, inputs in groups)]
    for (outputs, _), (start, end) in zip(groups, pairwise(ends), strict=True):
        torch.mm(d_out[:, outputs.start :], weight[outputs.start :, start:end], out=d_x[:, start:end])


def _add_weight_gradient(d_out: Tensor, x: Tensor, groups: Groups, d_weight: Tensor) -> None:
    """d_weight (O, I) += d_out (M, O) transposed @ x (M, I), where the mask lets it."""
    for outputs, inputs in groups:
        d_weight[outputs, inputs].addmm_(d_out[:, outputs].t(), x[:, inputs])


class _Linear(torch.autograd.Function):
    """x (M, I), weight (O, I, 1, 1), bias (O,) -> (M, O)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, groups: Groups) -> Tensor:  # type: ignore[override]
        weight = weight[:, :, 0, 0]
        out = x.new_empty(len(x), len(bias))
        for rows in _chunks(len(x), sum(weight.shape)):
            _multiply(x[rows], weight, bias, groups, out[rows])
        ctx.save_for_backward(x, weight)
        ctx.groups = groups
        return out

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        x, weight = ctx.saved_tensors
        d_out = d_out.contiguous()
        d_x, d_weight = torch.empty_like(x), torch.zeros_like(weight)
        for rows in _chunks(len(x), sum(weight.shape)):
            _multiply_back(d_out[rows], weight, ctx.groups, d_x[rows])
            _add_weight_gradient(d_out[rows], x[rows], ctx.groups, d_weight)
        return d_x, d_weight[:, :, None, None], _sum_rows(d_out), None


def _sum_rows(x: Tensor) -> Tensor:
    """(M, F) -> (F,); torch's own sum over the first axis is several times slower."""
    return torch.mv(x.t(), x.new_ones(len(x)))


class Outputs(torch.autograd.Function):
    """Both ways on from a layer, a few positions at a time: hidden (M, h) -> hidden @ weight transposed + bias + map.

    Of each way: weight (2h, h), masked already, bias (2h,), and the map (M, 2h) that is added to, or None.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, *ways: Tensor | None) -> tuple[Tensor, ...]:  # type: ignore[override]
        triples = list(zip(ways[::3], ways[1::3], ways[2::3], strict=True))
        outs = [hidden.new_empty(len(hidden), len(weight)) for weight, _, _ in triples]  # type: ignore[arg-type]
        for rows in _chunks(len(hidden), hidden.shape[1] * (1 + 4 * len(outs))):
            for out, (weight, bias, added) in zip(outs, triples, strict=True):
                part = out[rows]
                part.copy_(bias) if added is None else torch.add(added[rows], bias, out=part)  # type: ignore[arg-type]
                part.addmm_(hidden[rows], weight.t())  # type: ignore[union-attr]
        ctx.save_for_backward(hidden, *ways[::3])
        ctx.adds = [added is not None for _, _, added in triples]
        return tuple(outs)

    @staticmethod
    def backward(ctx: Any, *d_outs: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        hidden, *weights = ctx.saved_tensors
        d_outs = tuple(d_out.contiguous() for d_out in d_outs)
        d_hidden, d_weights = torch.empty_like(hidden), [torch.zeros_like(weight) for weight in weights]
        for rows in _chunks(len(hidden), hidden.shape[1] * (2 + 2 * len(weights))):
            part = d_hidden[rows].zero_()
            for weight, d_weight, d_out in zip(weights, d_weights, d_outs, strict=True):
                part.addmm_(d_out[rows], weight)
                d_weight.addmm_(d_out[rows].t(), hidden[rows])
        triples = zip(d_weights, d_outs, ctx.adds, strict=True)
        return d_hidden, *(g for d_weight, d, adds in triples for g in (d_weight, _sum_rows(d), d if adds else None))


class Convolutions(torch.autograd.Function):
    """The PixelCNN layer on a canvas, ReLU - 1x1 - ReLU - 3x3 - ReLU: stream (Q * B, 2h) -> (Q * B, h).

    A few positions at a time go through the whole layer. Where nothing is drawn the 1x1's map is cleared, which is
    what the 3x3 then reads outside the image; its own map means nothing there. down (h, 2h) and spread (h, h, 2, 3) are
    masked already; steps: how many rows further the spread's taps read, from (0, 0) on, the hidden one left out.
    added (Q * B, h), or None: the conditioning map.
    """

    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,
        stream: Tensor,
        down: Tensor,
        down_bias: Tensor,
        spread: Tensor,
        spread_bias: Tensor,
        added: Tensor | None,
        outside: Tensor,
        steps: tuple[int, ...],
    ) -> Tensor:
        M, h = len(stream), len(down)
        narrow, out = stream.new_empty(M, h), stream.new_empty(M, h)
        taps = _taps(spread)
        first = -steps[0]
        out[:first] = 0
        for rows in _chunks(M, 4 * h + stream.shape[1]):
            part = narrow[rows]
            torch.addmm(down_bias, stream[rows].relu(), down.t(), out=part)
            part.relu_().masked_fill_(outside[rows, None], 0)
            here = slice(max(rows.start, first), rows.stop)
            if here.start >= here.stop:
                continue
            part = out[here]
            part.copy_(spread_bias) if added is None else torch.add(added[here], spread_bias, out=part)
            for tap, step in zip(taps, steps, strict=True):
                part.addmm_(narrow[here.start + step : here.stop + step], tap.t())
            part.relu_()
        ctx.save_for_backward(stream, down, narrow, out, *taps)
        ctx.steps, ctx.is_added = steps, added is not None
        return out

    @staticmethod
    def backward(ctx: Any, d_out: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]
        stream, down, narrow, out, *taps = ctx.saved_tensors
        M, first = len(stream), -ctx.steps[0]
        d_out = d_out * (out > 0)
        d_narrow, d_stream = torch.empty_like(narrow), torch.empty_like(stream)
        d_down, d_taps = torch.zeros_like(down), [torch.zeros_like(tap) for tap in taps]
        for rows in _chunks(M, 4 * narrow.shape[1] + stream.shape[1]):
            part = d_narrow[rows].zero_()
            for tap, step, d_tap in zip(taps, ctx.steps, d_taps, strict=True):
                readers = slice(max(rows.start - step, first), min(rows.stop - step, M))
                if readers.start < readers.stop:
                    read = slice(readers.start + step, readers.stop + step)
                    d_narrow[read].addmm_(d_out[readers], tap)
                    d_tap.addmm_(d_out[readers].t(), narrow[read])
            part.mul_(narrow[rows] > 0)
            wide = stream[rows].relu()
            d_down.addmm_(part.t(), wide)
            torch.mm(part, down, out=d_stream[rows]).mul_(wide > 0)
        d_spread = _untap(d_taps)
        return (
            d_stream,
            d_down,
            _sum_rows(d_narrow),
            d_spread,
            _sum_rows(d_out),
            d_out if ctx.is_added else None,
            None,
            None,
        )


def _taps(spread: Tensor) -> list[Tensor]:
    """(h, h, 2, 3) -> the (h, h) of the row above, then of the left neighbour and of the pixel itself."""
    return [tap.contiguous() for tap in (*spread[:, :, 0].unbind(-1), *spread[:, :, 1, :2].unbind(-1))]


def _untap(taps: list[Tensor]) -> Tensor:
    """Undo _taps, zeros where the right neighbour would be."""
    return torch.stack([*taps, torch.zeros_like(taps[0])], -1).unflatten(-1, (2, 3))
