"""Weights of masked 1 x 1 and k x k convolutions as matrices, cut by the colour they produce.

When the features of colour c are computed, those of later colours hold whatever was left there; their weights are
masked zeros, so they add exactly nothing.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from model_core.layers.groups import colour_of
from model_core.layers.masked_conv import MaskedConv2d


@dataclass(frozen=True)
class Packed:
    """For each colour: the columns it owns, and (I, O_c) weights and (O_c,) biases that make them."""

    columns: list[slice]
    weights: list[Tensor]
    biases: list[Tensor]

    def __call__(self, x: Tensor, colour: int) -> Tensor:
        """(M, I) -> (M, O_c)."""
        return torch.addmm(self.biases[colour], x, self.weights[colour])


def colour_slices(features: int, colours: int) -> list[slice]:
    """Where each colour's features lie in a map of `features`."""
    owner = colour_of(features, colours)
    starts = [int((owner < c).sum()) for c in range(colours + 1)]
    return [slice(starts[c], starts[c + 1]) for c in range(colours)]


def pack(matrix: Tensor, bias: Tensor, columns: list[slice]) -> Packed:
    """Cut (O, I) weights and (O,) biases."""
    transposed = matrix.detach().t()
    return Packed(
        columns, [transposed[:, c].contiguous() for c in columns], [bias.detach()[c].contiguous() for c in columns]
    )


def pack_pointwise(convolution: MaskedConv2d, colours: int) -> Packed:
    """A 1 x 1 convolution."""
    return pack(convolution.matrix(), convolution.bias, colour_slices(len(convolution.bias), colours))


def pack_taps(convolution: MaskedConv2d, colours: int) -> Packed:
    """A k x k convolution over the taps that `causal_taps(k)` lists, tap by tap: inputs (M, taps * I)."""
    weight = convolution.masked_weight()  # (O, I, k // 2 + 1, k)
    reach = convolution.kernel // 2
    taps = torch.stack([weight[:, :, reach + dy, reach + dx] for dy, dx in causal_taps(convolution.kernel)], 1)
    return pack(taps.flatten(1), convolution.bias, colour_slices(len(convolution.bias), colours))


def causal_taps(kernel: int) -> list[tuple[int, int]]:
    """Offsets (dy, dx) that a mask leaves, in raster order; the last is the pixel itself."""
    reach = kernel // 2
    above = [(dy, dx) for dy in range(-reach, 0) for dx in range(-reach, reach + 1)]
    return above + [(0, dx) for dx in range(-reach, 1)]
