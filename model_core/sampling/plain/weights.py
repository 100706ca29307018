"""Weights of masked 1 x 1 and k x k convolutions as matrices, one for the outputs of
each colour.

When the features of a colour are computed, those of later colours hold any numbers.
Their weights are masked zeros, so they add exactly nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from model_core.layers.groups import colour_of
from model_core.layers.lstm import GATES
from model_core.layers.masked_conv import MaskedConv2d


@dataclass(frozen=True)
class Packed:
    """The weights of a convolution as matrices, by the colour of the outputs: O_c
    outputs of colour c, from I inputs. Calling it, packed(x, colour), returns the
    outputs (M, O_c) of one colour for inputs (M, I).

    columns: where each colour's outputs are in a map, one slice for each colour.
    weights: (I, O_c) for each colour.
    biases: (O_c,) for each colour.
    """

    columns: list[slice]
    weights: list[Tensor]
    biases: list[Tensor]

    def __call__(self, x: Tensor, colour: int) -> Tensor:
        """Return the outputs (M, O_c) of one colour for inputs (M, I)."""
        return torch.addmm(self.biases[colour], x, self.weights[colour])


def colour_slices(features: int, colours: int) -> list[slice]:
    """Return where the features of each colour are in a map with this many features: a
    list with one slice for each colour, in order. Raises AssertionError if there are
    fewer features than colours."""
    owner = colour_of(features, colours)
    starts = [int((owner < c).sum()) for c in range(colours + 1)]
    return [slice(starts[c], starts[c + 1]) for c in range(colours)]


def pack(matrix: Tensor, bias: Tensor, columns: list[slice]) -> Packed:
    """Return weights (O, I) and biases (O,) by colour, as copies without gradients.

    columns: where the outputs of each colour are among the O, one slice for each
        colour.
    """
    transposed = matrix.detach().t()
    return Packed(
        columns,
        [transposed[:, c].contiguous() for c in columns],
        [bias.detach()[c].contiguous() for c in columns],
    )


def pack_pointwise(convolution: MaskedConv2d, colours: int) -> Packed:
    """Return the weights of a masked 1 x 1 convolution by colour, as copies without
    gradients. Raises AssertionError for a larger kernel."""
    return pack(
        convolution.matrix(),
        convolution.bias,
        colour_slices(len(convolution.bias), colours),
    )


def pack_taps(
    convolution: MaskedConv2d, colours: int, condition: nn.Conv2d | None = None
) -> Packed:
    """Return the weights of a masked k x k convolution by colour, as copies without
    gradients. The inputs (M, taps * I + c) are the I features at each tap, a pixel that
    the mask leaves visible, in the order of `causal_taps`, and then the c features of
    the conditioning map.

    condition: the 1 x 1 convolution of the conditioning map; None for none (c = 0).
    """
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
    """Return weights (O, I) with columns for the conditioning map (section 3.6) after
    all others, (O, I + c); the weights themselves if `condition` is None.

    condition: the 1 x 1 convolution of the conditioning map.
    """
    return (
        matrix
        if condition is None
        else torch.cat([matrix, condition.weight[:, :, 0, 0]], 1)
    )


def pack_gates_by_colour(matrix: Tensor, bias: Tensor, colours: int) -> Packed:
    """Return the weights (4h, I) and biases (4h,) of four gates by colour of the hidden
    unit, as copies without gradients. The outputs of a colour are its units' gates o,
    then f, i, g; `columns` says where its units are in a map of h features.

    matrix, bias: with the gates o, f, i, g of all units one after the other.
    colours: number of colours.
    """
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
    """Return a list of the offsets (dy, dx) from a pixel to those that a convolution's
    mask leaves visible, in raster order; the last one, (0, 0), is the pixel itself."""
    reach = convolution.kernel // 2
    above = [
        (dy, dx)
        for dy in range(-convolution.rows_above, 0)
        for dx in range(-reach, reach + 1)
    ]
    return above + [(0, dx) for dx in range(-reach, 1)]
