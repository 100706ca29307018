"""Maps and weights laid out for the compiled code's tiles (compiled/products.py).

A map of F features has them side by side, colour after colour, so what colour c may read at its own pixel is a prefix
of the map. A cell of it is a little wider, for the last vector of a colour to run on. In weights each colour begins a
vector of 16 outputs of its own, (vectors, inputs, 16), padded with zeros, so masked zeros are never multiplied. The
vectors that one tile takes (products.block) are mixed: (inputs, vectors of the tile, 16) in their place.
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
"""Bytes."""


@dataclass(frozen=True)
class Layout:
    """A map of several colours: colour c owns features bounds[c] to bounds[c + 1]; all (C + 1,) int64."""

    bounds: NDArray[np.int64]

    @property
    def vectors(self) -> NDArray[np.int64]:
        """First vector of each colour, in weights whose outputs this map is."""
        return np.concatenate([[0], np.cumsum(-(-np.diff(self.bounds) // LANES))])

    @property
    def ends(self) -> list[int]:
        """Ends of what each colour may read of this map at its own pixel: colour c its first ends[c] features."""
        return self.bounds[1:].tolist()

    @property
    def features(self) -> int:
        return int(self.bounds[-1])

    @property
    def width(self) -> int:
        """Floats in a cell: room for the last vector of every colour."""
        return _whole(int((self.bounds[:-1] + np.diff(self.vectors) * LANES).max()))


def layout(features: int, colours: int) -> Layout:
    """A map of `features`, grouped as everywhere (layers/groups.py)."""
    sizes = torch.bincount(colour_of(features, colours), minlength=colours)
    return Layout(np.concatenate([[0], sizes.cumsum(0).numpy()]))


def gate_layout(hidden: Layout) -> Layout:
    """The gates of h units: colour by colour, and within a colour o, f, i, g."""
    return Layout(hidden.bounds * GATES)


def gate_order(hidden: Layout) -> Tensor:
    """(4h,) the paper's index, gate by gate, of each feature of the gates' map."""
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
    """(O, I) weights of all colours at once -> (vectors, I, 16), those of a tile mixed."""
    outputs, inputs = weights.shape
    padded = functional.pad(
        weights.detach().float(), (0, 0, 0, _whole(outputs) - outputs)
    )
    blocked = np.empty((len(padded) // LANES, inputs, LANES), np.float32)
    vector = 0
    while vector < len(blocked):
        wide = block.py_func(
            len(blocked) - vector
        )  # as it is: to compile it for Python would take 0.1 s
        columns = padded[vector * LANES : (vector + wide) * LANES]
        blocked[vector : vector + wide] = (
            columns.t().contiguous().numpy().reshape(wide, inputs, LANES)
        )
        vector += wide
    return blocked


def colour_columns(weights: Tensor, outputs: Layout, colour: int, known: int) -> Floats:
    """(O, I) weights -> (vectors, known, 16) of one colour of the outputs, from the first `known` inputs."""
    return whole_columns(
        weights[outputs.bounds[colour] : outputs.bounds[colour + 1], :known]
    )


def one_after_another(weights: Sequence[Floats]) -> Floats:
    """Joined along the first dimension, from the beginning of a cache line on, so that no vector lies across two."""
    joined = np.concatenate(weights)
    room = np.empty(joined.size + LANES, np.float32)
    first = -room.ctypes.data % CACHE_LINE // room.itemsize
    aligned = room[first : first + joined.size].reshape(joined.shape)
    aligned[:] = joined
    return aligned


def layer_by_layer(weights: Sequence[Floats]) -> Floats:
    """(L, ...), from the beginning of a cache line on."""
    return one_after_another([layer[None] for layer in weights])


def pad_vector(values: Tensor, where: Layout) -> Floats:
    """(F,) -> (width,)."""
    return functional.pad(
        values.detach().float(), (0, where.width - where.features)
    ).numpy()


def _whole(features: int) -> int:
    return -(-features // LANES) * LANES
