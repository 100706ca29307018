"""Maps and weights laid out for the tiles: each colour's features padded to whole vectors, weights (inputs, outputs).

A map of F features becomes one block of a multiple of 16 for each colour, in order. What colour c may read at its own
pixel is then a prefix of the map, and what it produces is whole vectors, so masked zeros are never multiplied. Padded
features have zero weights both ways and stay zero.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.layers.groups import colour_of

LANES = 16
Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Layout:
    """Where F features of C colours lie: feature i at place[i]; colour c owns bounds[c] to bounds[c + 1]."""

    place: Tensor
    bounds: NDArray[np.int64]

    @property
    def width(self) -> int:
        return int(self.bounds[-1])


def layout(features: int, colours: int) -> Layout:
    """A map of `features`, grouped as everywhere (layers/groups.py)."""
    owner = colour_of(features, colours)
    sizes = torch.bincount(owner, minlength=colours)
    blocks = (sizes + LANES - 1) // LANES * LANES
    bounds = torch.cat([torch.zeros(1, dtype=torch.int64), blocks.cumsum(0)])
    first = torch.cat([torch.zeros(1, dtype=torch.int64), sizes.cumsum(0)])
    return Layout(bounds[owner] + torch.arange(features) - first[owner], bounds.numpy())


def plain(features: int) -> Layout:
    """A map without colours, such as the conditioning map, padded at its end; it may have no features at all."""
    return layout(features, 1) if features else Layout(torch.arange(0), np.zeros(2, np.int64))


def pad_matrix(weights: Tensor, inputs: Layout, outputs: Layout) -> Floats:
    """(O, I) weights -> (inputs.width, outputs.width)."""
    padded = torch.zeros(inputs.width, outputs.width)
    padded[inputs.place[:, None], outputs.place[None, :]] = weights.detach().float().t()
    return padded.numpy()


def pad_vector(values: Tensor, where: Layout) -> Floats:
    """(F,) -> (width,)."""
    padded = torch.zeros(where.width)
    padded[where.place] = values.detach().float()
    return padded.numpy()


def gate_layout(hidden: Layout) -> Layout:
    """Where the four gates of h units lie, (4h,) in the paper's order: chunks of [o, f, i, g], 16 units each."""
    chunk, lane = hidden.place // LANES, hidden.place % LANES
    place = torch.cat([chunk * 4 * LANES + gate * LANES + lane for gate in range(4)])
    return Layout(place, hidden.bounds * 4)
