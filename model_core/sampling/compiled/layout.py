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
"""Bytes of a cache line of the processors that we compile for."""


@dataclass(frozen=True)
class Layout:
    """How the features of a map belong to colours, and how wide its cells are."""

    bounds: NDArray[np.int64]
    """int64 (C + 1,): colour c has the features bounds[c] to bounds[c + 1] - 1."""

    @property
    def vectors(self) -> NDArray[np.int64]:
        """In weights whose outputs are this map, the index of the first vector (LANES
        outputs, padded) of each colour, and of the end: (C + 1,)."""
        return np.concatenate([[0], np.cumsum(-(-np.diff(self.bounds) // LANES))])

    @property
    def ends(self) -> list[int]:
        """For each colour, how many of the first features it may read at its own
        pixel."""
        return self.bounds[1:].tolist()

    @property
    def features(self) -> int:
        """F."""
        return int(self.bounds[-1])

    @property
    def width(self) -> int:
        """Floats in a cell: F, and the space into which the last vector of a colour may
        run."""
        return _whole(int((self.bounds[:-1] + np.diff(self.vectors) * LANES).max()))


def layout(features: int, colours: int) -> Layout:
    """Return the layout of a map whose features are grouped by colour
    (layers/groups.py)."""
    sizes = torch.bincount(colour_of(features, colours), minlength=colours)
    return Layout(np.concatenate([[0], sizes.cumsum(0).numpy()]))


def gate_layout(hidden: Layout) -> Layout:
    """Return the layout of the gates of h units: colour by colour, and in each colour
    o, f, i, g.

    hidden: layout of the h units.
    """
    return Layout(hidden.bounds * GATES)


def gate_order(hidden: Layout) -> Tensor:
    """Return for each feature of the gates' map its index in the paper's order, in
    which the gates come one after the other, int64 (4h,).

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
    """Return weights (O, I) of one colour, or of all colours if they need not be
    separate, as (vectors, I, 16), float32, padded with zeros, with the vectors of each
    tile interleaved. The gradient is dropped."""
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
    """Return the weights of one colour of the outputs for the first `known` inputs,
    (vectors, known, 16), given weights (O, I).

    outputs: layout of the O outputs.
    """
    return whole_columns(
        weights[outputs.bounds[colour] : outputs.bounds[colour + 1], :known]
    )


def one_after_another(weights: Sequence[Floats]) -> Floats:
    """Return arrays joined along their first dimension, as a new array that begins at a
    cache line, so that no vector crosses two lines."""
    joined = np.concatenate(weights)
    room = np.empty(joined.size + LANES, np.float32)
    first = -room.ctypes.data % CACHE_LINE // room.itemsize
    aligned = room[first : first + joined.size].reshape(joined.shape)
    aligned[:] = joined
    return aligned


def layer_by_layer(weights: Sequence[Floats]) -> Floats:
    """Return the arrays of L layers as one new array (L, ...) that begins at a cache
    line."""
    return one_after_another([layer[None] for layer in weights])


def pad_vector(values: Tensor, where: Layout) -> Floats:
    """Return a vector (F,) of a map's features, padded with zeros to the width of its
    cells, float32 (width,)."""
    return functional.pad(
        values.detach().float(), (0, where.width - where.features)
    ).numpy()


def _whole(features: int) -> int:
    """Return the next multiple of LANES."""
    return -(-features // LANES) * LANES
