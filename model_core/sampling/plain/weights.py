"""Weights of masked 1 x 1 and k x k convolutions as matrices, cut by the colour they produce.

When the features of colour c are computed, those of later colours hold whatever was left there; their weights are
masked zeros, so they add exactly nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model_core.layers.groups import colour_of
from model_core.layers.lstm import GATES
from model_core.layers.masked_conv import MaskedConv2d


@dataclass(frozen=True)
class Packed:
    """Each colour's columns, and (I, O_c) weights and (O_c,) biases that make them."""

    columns: list[slice]
    weights: list[Tensor]
    biases: list[Tensor]

    def __call__(self, x: Tensor, colour: int) -> Tensor:
        """(M, I) -> (M, O_c)."""
        return torch.addmm(self.biases[colour], x, self.weights[colour])


def colour_slices(features: int, colours: int) -> list[slice]:
    """Places of each colour's features in a map of `features`."""
    owner = colour_of(features, colours)
    starts = [int((owner < c).sum()) for c in range(colours + 1)]
    return [slice(starts[c], starts[c + 1]) for c in range(colours)]


def pack(matrix: Tensor, bias: Tensor, columns: list[slice]) -> Packed:
    """Cut (O, I) weights and (O,) biases."""
    transposed = matrix.detach().t()
    return Packed(
        columns,
        [transposed[:, c].contiguous() for c in columns],
        [bias.detach()[c].contiguous() for c in columns],
    )


def pack_pointwise(convolution: MaskedConv2d, colours: int) -> Packed:
    """A 1 x 1 convolution."""
    return pack(
        convolution.matrix(),
        convolution.bias,
        colour_slices(len(convolution.bias), colours),
    )


def pack_taps(
    convolution: MaskedConv2d, colours: int, condition: nn.Conv2d | None = None
) -> Packed:
    """A k x k convolution over the taps that `causal_taps` lists, tap by tap, then the conditioning map:
    inputs (M, taps * I + c)."""
    weight = convolution.masked_weight()  # (O, I, rows_above + 1, k)
    down, reach = convolution.rows_above, convolution.kernel // 2
    taps = torch.stack(
        [weight[:, :, down + dy, reach + dx] for dy, dx in causal_taps(convolution)], 1
    )
    return pack(
        with_condition(taps.flatten(1), condition),
        convolution.bias,
        colour_slices(len(convolution.bias), colours),
    )


def with_condition(matrix: Tensor, condition: nn.Conv2d | None) -> Tensor:
    """Columns for the conditioning map (section 3.6), after all others: (O, I) -> (O, I + c)."""
    return (
        matrix
        if condition is None
        else torch.cat([matrix, condition.weight[:, :, 0, 0]], 1)
    )


def pack_gates_by_colour(matrix: Tensor, bias: Tensor, colours: int) -> Packed:
    """(4h, I) weights of four gates -> for each colour the columns of its hidden units, gate by gate."""
    h = len(bias) // GATES
    columns = colour_slices(h, colours)
    own = [torch.arange(c.start, c.stop, device=bias.device) for c in columns]
    chosen = [torch.cat([gate * h + units for gate in range(GATES)]) for units in own]
    matrix, bias = matrix.detach().t(), bias.detach()
    return Packed(
        columns,
        [matrix[:, rows].contiguous() for rows in chosen],
        [bias[rows] for rows in chosen],
    )


def causal_taps(convolution: MaskedConv2d) -> list[tuple[int, int]]:
    """Offsets (dy, dx) that a mask leaves, in raster order; the last is the pixel itself."""
    reach = convolution.kernel // 2
    above = [
        (dy, dx)
        for dy in range(-convolution.rows_above, 0)
        for dx in range(-reach, reach + 1)
    ]
    return above + [(0, dx) for dx in range(-reach, 1)]
