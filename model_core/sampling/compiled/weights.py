"""A network's modules to the arrays that the compiled steps read (model_core/compiled)."""

from collections.abc import Mapping
from math import prod
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import DTypeLike, NDArray
from torch import Tensor, nn

from model_core.compiled.records import SIDE, Shared
from model_core.layers.masked_conv import MaskedConv2d
from model_core.networks.pixel_network import PixelNetwork
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
"""Bytes. Weights larger than this are read less often if, for up to _FEW pixels, the row above is summed ahead of their
turn. Smaller weights stay in the processor's second cache, and those that serve many pixels are read fast enough."""


def shared_weights(network: PixelNetwork, kind: CompiledKind, maps: Maps) -> Shared:
    """Weights that every network has, and all that is computed colour by colour."""
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
    """Most waiting pixels for which the row above is summed ahead of their turn (compiled/frontier.py)."""
    return _FEW if above_w.nbytes > _LARGE else 0


def input_before(network: PixelNetwork) -> Tensor:
    """Return the weights of the input convolution for the pixels before, three rows of
    seven and then three: (O, cells * C), or of categories (cells, V, O)."""
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
    """(4h,) in the paper's order -> (G,) in the order of the gates' map."""
    return pad_vector(convolution.bias[maps.gate_order], maps.gates)


def condition_weights(condition: nn.Conv2d | None) -> list[Tensor]:
    """The (outputs, c) weights of the conditioning map, if there is one."""
    return [] if condition is None else [condition.weight[:, :, 0, 0]]


class Room(NamedTuple):
    """An array that is not made yet, so that what it would take is known before it is taken."""

    shape: tuple[int, ...]
    dtype: DTypeLike = np.float32
    starts: tuple[tuple[Any, Any], ...] = ()
    """Places that are not zero at first, and what they hold, in the order in which they are filled."""

    @property
    def nbytes(self) -> int:
        return prod(self.shape) * np.dtype(self.dtype).itemsize

    def made(self) -> NDArray[Any]:
        array = np.zeros(self.shape, self.dtype)
        for place, start in self.starts:
            array[place] = start
        return array


def made(rooms: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of a record, arrays in the place of rooms."""
    return {
        name: part.made() if isinstance(part, Room) else part
        for name, part in rooms.items()
    }


def zeros(*shape: int) -> Room:
    """float32."""
    return Room(shape)


def filled(initials: list[Tensor], hidden: Layout, cells: int) -> Room:
    """(L, cells, h), every cell holding the layer's initial state."""
    cell = np.stack([pad_vector(initial, hidden) for initial in initials])[
        :, None
    ]  # (L, 1, h)
    return Room((len(initials), cells, cell.shape[-1]), starts=((..., cell),))
