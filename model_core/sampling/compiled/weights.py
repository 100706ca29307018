"""Make the arrays that the compiled steps read (model_core/compiled) from a network's
modules: once for each network, until a weight changes (`prepared`)."""

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn

from model_core.compiled.records import SIDE, Shared
from model_core.kinds import part
from model_core.layers.masked_conv import MaskedConv2d
from model_core.networks.pixel_network import PixelNetwork, WeightVersions
from model_core.sampling.compiled.colour_order import Maps, weights_by_colour
from model_core.sampling.compiled.kind import CompiledKind
from model_core.sampling.compiled.layout import (
    Floats,
    Layout,
    pad_vector,
    whole_columns,
)

_FEW = 16
_LARGE = 1 << 20
"""Bytes. If the weights for the row above are larger than this, and at most _FEW pixels
wait, the row above is summed before their turn, so that the weights are read less
often. Smaller weights stay in the CPU's second cache, and weights that serve many
pixels are read fast enough."""


def shared_weights(network: PixelNetwork, kind: CompiledKind, maps: Maps) -> Shared:
    """Return the record of everything that the loops of all kinds read: sizes, layouts,
    the weights that every network has, and those that are applied colour by colour.
    Weights are copied, in float32.

    network: in main memory
    maps: layouts of the network's maps.
    """
    config, blocks, head = network.config, network.blocks, network.head
    skips = [block.skip for block in blocks if block.skip is not None]
    skip_b = np.stack(
        [pad_vector(skip.bias, maps.features) for skip in skips or [blocks[0].up]]
    )
    by_colour, begins = weights_by_colour(network, kind, maps)
    return Shared(
        channels=config.channels,
        values=config.values,
        height=config.height,
        width=config.width,
        layers=config.layers,
        residual=int(config.residual),
        skip=int(config.skip),
        categories=int(config.categories),
        features=maps.features.bounds,
        hidden=maps.hidden.bounds,
        gates=maps.gates.bounds,
        wide=maps.wide.bounds,
        outputs=maps.outputs.bounds,
        feature_vectors=maps.features.vectors,
        hidden_vectors=maps.hidden.vectors,
        gate_vectors=maps.gates.vectors,
        wide_vectors=maps.wide.vectors,
        output_vectors=maps.outputs.vectors,
        zeros=np.zeros(
            max(
                part.width
                for part in (maps.features, maps.gates, maps.wide, maps.outputs)
            ),
            np.float32,
        ),
        before_w=_input_before(network),
        before_b=pad_vector(network.input.bias, maps.features),
        up_b=np.stack([pad_vector(block.up.bias, maps.features) for block in blocks]),
        skip_b=skip_b.sum(0) * np.float32(config.skip),
        first_b=pad_vector(head.first.bias, maps.wide),
        second_b=pad_vector(head.second.bias, maps.wide),
        output_b=pad_vector(head.output.bias, maps.outputs),
        by_colour=by_colour,
        begins=begins,
    )


def few_pixels(above_w: Floats) -> int:
    """Return up to how many waiting pixels a step sums what they read of the row above
    ahead of time (compiled/frontier.py): 16 for weights of more than 1 MiB, which are
    then read less often; else 0.

    above_w: the weights for the row above, of all layers.
    """
    return _FEW if above_w.nbytes > _LARGE else 0


def input_before(network: PixelNetwork) -> Tensor:
    """Return the masked weights of the input convolution for the 24 pixels before the
    current one: three rows of seven, from the top, then three to the left. The shape is
    (O, 24 * C), pixel after pixel and in each its C inputs; for a network of
    categories, with V inputs, it is (24, V, O). The result keeps its gradient."""
    weight = network.input.masked_weight()  # (O, C, 4, 7)
    cells = [(dy, dx) for dy in range(SIDE) for dx in range(2 * SIDE + 1)] + [
        (SIDE, dx) for dx in range(SIDE)
    ]
    if network.config.categories:
        return torch.stack([weight[:, :, dy, dx].t() for dy, dx in cells])
    return torch.cat([weight[:, :, dy, dx] for dy, dx in cells], 1)


def _input_before(network: PixelNetwork) -> Floats:
    weights = input_before(network)
    if network.config.categories:
        return weights.detach().float().contiguous().numpy()
    return whole_columns(weights)


def gate_bias(convolution: MaskedConv2d, maps: Maps) -> Floats:
    """Return the biases of the gates of an LSTM, padded with zeros, float32 (width of a
    cell,), in the order of `maps.gates`: colour by colour. The convolution has them in
    the paper's order, (4h,)."""
    return pad_vector(convolution.bias[maps.gate_order], maps.gates)


def condition_weights(condition: nn.Conv2d | None) -> list[Tensor]:
    """Return a list with one matrix, the weights (outputs, c) of the conditioning map,
    which shares their memory; an empty list if there is none.

    condition: the 1 x 1 convolution of the conditioning map.
    """
    return [] if condition is None else [condition.weight[:, :, 0, 0]]


class Room(NamedTuple):
    """An array that is not made yet, so that its size can be known before memory is
    taken.

    shape: its shape.
    dtype: its type.
    """

    shape: tuple[int, ...]
    dtype: DTypeLike = np.float32
    starts: tuple[tuple[Any, Any], ...] = ()
    """Pairs of an index and the value to store there at first, in this order; all other
    elements are 0."""

    @property
    def nbytes(self) -> int:
        """Number of bytes that the array will take."""
        return prod(self.shape) * np.dtype(self.dtype).itemsize

    def make(self) -> NDArray[Any]:
        """Return a new array with these first values."""
        array = np.zeros(self.shape, self.dtype)
        for place, start in self.starts:
            array[place] = start
        return array


def make_arrays(rooms: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of a record, by name, with a new array in place of each Room;
    other fields stay as they are."""
    return {
        name: part.make() if isinstance(part, Room) else part
        for name, part in rooms.items()
    }


def zeros(*shape: int) -> Room:
    """Return the Room (an array that is not made yet) of a float32 array of zeros of
    this shape."""
    return Room(shape)


def repeat_states(initials: list[Tensor], hidden: Layout, cells: int) -> Room:
    """Return the Room (an array that is not made yet) of a float32 array (L, cells,
    width), every cell of which holds the initial state of its layer, padded with zeros.

    initials: (h,) of each of L layers, in main memory
    hidden: layout of the h features.
    """
    cells_of_layers = [pad_vector(initial, hidden) for initial in initials]
    cell = np.stack(cells_of_layers)[:, None]  # (L, 1, width)
    return Room((len(initials), cells, cell.shape[-1]), starts=((..., cell),))


class Prepared(NamedTuple):
    """Arrays that all stages of a network share and only read; `prepared` makes
    them."""

    kind: CompiledKind
    """What is declared of the network's kind, with its loop."""
    maps: Maps
    """Layouts of the network's maps."""
    shared: Shared
    """The record of what the loops of all kinds read."""
    weights: dict[str, Any]
    """Fields of the kind's record `Layers` that hold weights, by name."""


_prepared: WeakKeyDictionary[PixelNetwork, tuple[WeightVersions, Prepared]] = (
    WeakKeyDictionary()
)


def prepared(network: PixelNetwork) -> Prepared:
    """Return the arrays from which compiled code draws a network, whose weights are
    float32 and in main memory. They are kept, and made again only after a parameter was
    written to; for weights made in inference mode, at each call."""
    # Laying them out takes as long as drawing a single small image.
    versions = network.weight_versions()
    if versions is None:
        return _prepare(network)
    kept = _prepared.get(network)
    if kept is None or kept[0] != versions:
        kept = _prepared[network] = versions, _prepare(network)
    return kept[1]


def _prepare(network: PixelNetwork) -> Prepared:
    kind, maps = part(network.config.kind.compiled), Maps(network)
    return Prepared(
        kind, maps, shared_weights(network, kind, maps), kind.weights(network, maps)
    )
