"""Maps and weights in the layout that the compiled code's tiles need
(compiled/products.py).

The F features of a map lie side by side, colour after colour. So what colour c may read
at its own pixel is a prefix of the map. A cell of the map is a little wider, because
the last vector of a colour may run past its end.

In weights, (vectors, inputs, 16), the outputs of each colour begin with a new vector of
16 outputs and are padded with zeros, so that masked zeros are never multiplied. The
vectors that one tile takes together (products.block) are interleaved: (inputs, vectors
of the tile, 16).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from model_core.compiled.products import block
from model_core.compiled.vector_code import LANES
from model_core.layers.groups import colour_of
from model_core.layers.lstm import GATES

Floats = NDArray[np.float32]

CACHE_LINE = 64
"""Bytes of a cache line of the CPUs for which we compile."""


@dataclass(frozen=True)
class Layout:
    """How the F features of a map belong to C colours, and how wide its cells are. A
    map has a cell for each pixel, in which the features lie side by side, colour after
    colour. A vector is 16 outputs of a matrix product, LANES of them, which are
    computed together."""

    bounds: NDArray[np.int64]
    """int64 (C + 1,): colour c has the features bounds[c] to bounds[c + 1] - 1."""

    @property
    def vectors(self) -> NDArray[np.int64]:
        """In weights whose outputs are this map, where each colour begins with a new
        vector: the index of the first vector of each colour, and the number of all
        vectors, int64 (C + 1,)."""
        return np.concatenate([[0], np.cumsum(-(-np.diff(self.bounds) // LANES))])

    @property
    def ends(self) -> list[int]:
        """List of C numbers: for each colour, how many of the first features it may
        read at its own pixel, which are those of its own and of earlier colours."""
        return self.bounds[1:].tolist()

    @property
    def features(self) -> int:
        """F, the number of features."""
        return int(self.bounds[-1])

    @property
    def width(self) -> int:
        """Number of floats in a cell: F, and the space into which the last vector of a
        colour may run."""
        return _whole(int((self.bounds[:-1] + np.diff(self.vectors) * LANES).max()))


def layout(features: int, colours: int) -> Layout:
    """Return the layout of a map whose features are divided among colours as
    layers/groups.py does it: in order, and as evenly as possible. Raises AssertionError
    if there are fewer features than colours."""
    sizes = torch.bincount(colour_of(features, colours), minlength=colours)
    return Layout(np.concatenate([[0], sizes.cumsum(0).numpy()]))


def gate_layout(hidden: Layout) -> Layout:
    """Return the layout of the map of the gates of h units of an LSTM, 4h features:
    colour by colour, and in each colour the gates o of all its units, then f, i and g.

    hidden: layout of the h units.
    """
    return Layout(hidden.bounds * GATES)


def gate_order(hidden: Layout) -> Tensor:
    """Return for each feature of the gates' map (`gate_layout`) its index in the
    paper's order, in which the gates o, f, i, g of all units come one after the other:
    int64 (4h,).

    hidden: layout of the h units.
    """
    h, bounds = hidden.features, hidden.bounds
    starts = [
        (gate * h + int(bounds[c]), int(bounds[c + 1]))
        for c in range(len(bounds) - 1)
        for gate in range(GATES)
    ]
    return torch.cat(
        [torch.arange(first, first // h * h + end) for first, end in starts]
    )


def whole_columns(weights: Tensor) -> Floats:
    """Return weights (O, I) for the compiled products: float32, of shape (vectors, I,
    16), where a vector is 16 adjacent outputs and the last one is padded with zeros.
    The outputs are all of one colour, or the colours need not be separate. The gradient
    is dropped.

    Only the compiled products can index the result, because the vectors of each tile
    are interleaved in memory. A tile is as many vectors as the products compute
    together (products.block). Its memory is ordered by input, then vector of the tile,
    then output, so result[v, i] is in general not input i of vector v.
    """
    outputs, inputs = weights.shape
    padded = functional.pad(
        weights.detach().float(), (0, 0, 0, _whole(outputs) - outputs)
    )
    blocked = np.empty((len(padded) // LANES, inputs, LANES), np.float32)
    vector = 0
    while vector < len(blocked):
        # Called as plain Python: compiling it for Python would take 0.1 s.
        wide = block.py_func(len(blocked) - vector)
        columns = padded[vector * LANES : (vector + wide) * LANES]
        blocked[vector : vector + wide] = (
            columns.t().contiguous().numpy().reshape(wide, inputs, LANES)
        )
        vector += wide
    return blocked


def colour_columns(weights: Tensor, outputs: Layout, colour: int, known: int) -> Floats:
    """Return the weights of one colour of the outputs for the first `known` inputs, in
    the form of `whole_columns`, (vectors, known, 16), given weights (O, I).

    outputs: layout of the O outputs.
    colour: index of the colour.
    """
    return whole_columns(
        weights[outputs.bounds[colour] : outputs.bounds[colour + 1], :known]
    )


def one_after_another(weights: Sequence[Floats]) -> Floats:
    """Return arrays, at least one, joined along their first dimension, float32, as a
    new array that begins at a cache line."""
    joined = np.concatenate(weights)
    room = np.empty(joined.size + LANES, np.float32)
    # No vector of 16 crosses two cache lines then.
    first = -room.ctypes.data % CACHE_LINE // room.itemsize
    aligned = room[first : first + joined.size].reshape(joined.shape)
    aligned[:] = joined
    return aligned


def layer_by_layer(weights: Sequence[Floats]) -> Floats:
    """Return the arrays of L layers, which have one shape, as one new array (L, ...),
    float32, that begins at a cache line."""
    return one_after_another([layer[None] for layer in weights])


def pad_vector(values: Tensor, where: Layout) -> Floats:
    """Return a vector (F,) of a map's features, padded with zeros to the width of its
    cells, float32 (width,), as a copy without gradient."""
    return functional.pad(
        values.detach().float(), (0, where.width - where.features)
    ).numpy()


def _whole(features: int) -> int:
    return -(-features // LANES) * LANES
