"""A network's weights, and the state and the image of one block, in the order in which
the programs read them.

model_core/blocks/record.py describes each array. Weights are matrices (inputs,
outputs), so that threads with adjacent outputs read adjacent numbers.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model_core.blocks import record as r
from model_core.blocks.program import KINDS
from model_core.compiled.range_coder import BYTES_A_VALUE, REGISTERS
from model_core.kinds import part
from model_core.layers.pixel_cnn import PixelCNNLayer
from model_core.layers.row_lstm import RowLSTM
from model_core.networks.pixel_network import PixelNetwork, layer_of
from model_core.sampling.compiled import diagonal_bilstm, pixel_cnn, row_lstm
from model_core.sampling.compiled.colour_order import Maps, products_in_order
from model_core.sampling.compiled.kind import Sizes
from model_core.sampling.compiled.weights import input_before
from model_core.sampling.stage import Drawing, condition_of

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]

ALIGNMENT = 4
"""Arrays begin at multiples of this many elements: 16 bytes of float32."""

FLOAT64_ARRAYS = (r.NOISE, r.LOG_P, r.TEMPERATURE)
"""Arrays of the image that hold float64; the others hold integers."""


class Arena:
    """Where several arrays lie in one piece of memory, one after the other, and their
    shapes. Each begins at a multiple of ALIGNMENT elements. The memory itself is not
    part of it. A field is the number by which the programs know an array
    (model_core/blocks/record.py).

    size: number of elements of all arrays, with the gaps between them.
    places: by field, the first element and the shape.
    """

    def __init__(self) -> None:
        """Make an arena without arrays."""
        self.size = 0
        self.places: dict[int, tuple[int, tuple[int, ...]]] = {}

    def add(self, field: int, *shape: int) -> None:
        """Add an array of this shape for a field, after the others."""
        self.places[field] = self.size, shape
        self.size += self._rounded(prod(shape))

    def view(self, memory: NDArray[Any], field: int) -> NDArray[Any]:
        """Return the array of a field as a view of `memory`, one-dimensional with at
        least `size` elements."""
        first, shape = self.places[field]
        return memory[first : first + prod(shape)].reshape(shape)

    @staticmethod
    def _rounded(elements: int) -> int:
        return -(-elements // ALIGNMENT) * ALIGNMENT


@dataclass(frozen=True)
class BlockState:
    """The memory of one block, which draws one image. `BlockLayout.new_block` makes
    it."""

    state: Floats
    """float32 (state_size,): what the network keeps between pixels."""
    image: Integers
    """int64 (image_size,): the image, what is given of it, its noise, and counters."""


class BlockLayout:
    """A network in the form in which the block programs of model_core/blocks read it; a
    block of a GPU's threads draws one image. A field is the number by which the
    programs know an array (model_core/blocks/record.py).

    network: the network, in main memory.
    kind: name of its kind, such as `row-lstm`.
    maps: layouts of its maps: which features belong to which colour.
    sizes: lengths that follow from its config, for one image.
    record: int64, the numbers of model_core/blocks/record.py.
    weights: float32, all weights, one after the other.
    """

    def __init__(self, network: PixelNetwork) -> None:
        """Lay out the weights of a network."""
        config = network.config
        self.network, self.maps = network, Maps(network)
        self.kind = config.network
        self.sizes = Sizes.of(config, 1)
        self._layers = _KINDS[self.kind]

        self._state_arena = self._lay_out_state()
        self._image_arena = self._lay_out_image()
        weights, begins = self._lay_out_weights()
        self.weights: Floats = np.concatenate(weights.pieces)
        self.record: Integers = self._fill_record(weights.places, begins)

    def new_block(self) -> BlockState:
        """Return new memory of a block without an image, in main memory. State that
        should be written before it is read is NaN, so that a program that reads it is
        found out."""
        state = np.full(self._state_arena.size, np.nan, np.float32)
        return BlockState(state, np.zeros(self._image_arena.size, np.int64))

    def view(self, block: BlockState, field: int) -> NDArray[Any]:
        """Return an array of a block's state or image as a view of its memory, in its
        shape."""
        if field in self._state_arena.places:
            return self._state_arena.view(block.state, field)
        array = self._image_arena.view(block.image, field)
        return array.view(np.float64) if field in FLOAT64_ARRAYS else array

    @property
    def state_size(self) -> int:
        """Number of floats of one block's state."""
        return self._state_arena.size

    @property
    def image_size(self) -> int:
        """Number of cells of 8 bytes of one block's image."""
        return self._image_arena.size

    def span(self, field: int) -> slice:
        """Return where the array of a field lies within the state or the image, in
        elements."""
        for arena in (self._state_arena, self._image_arena):
            if field in arena.places:
                first, shape = arena.places[field]
                return slice(first, first + prod(shape))
        raise KeyError(field)

    def open(self, block: BlockState, drawing: Drawing) -> None:
        """Begin an image in the memory of a block: fill its state and its image."""
        self.begin_state(block)
        condition = self.condition(drawing)
        if condition is not None:
            self.view(block, r.CONDITIONS)[...] = condition
        self.begin_image(block, drawing)

    def begin_state(self, block: BlockState) -> None:
        """Fill the state of a block that is read before it is written, except the
        condition, with what lies outside the image."""
        for field, value in self._outside():
            self.view(block, field)[...] = value

    def condition(self, drawing: Drawing) -> Floats | None:
        """Return the map that biases the network's layers, that of a drawing's
        condition or of its label, float32 (H * W, c); None if it has neither."""
        condition = condition_of(self.network, drawing)
        if condition is None:
            return None
        return condition.flatten(0, 1).detach().numpy()

    def begin_image(
        self, block: BlockState, drawing: Drawing, first_row: int = 0
    ) -> None:
        """Fill the image of a block with a drawing whose rows before `first_row` are
        done. All counters begin anew."""
        config = self.network.config
        block.image[...] = 0
        self.view(block, r.NOISE)[...] = drawing.noise.numpy()
        self.view(block, r.TEMPERATURE)[...] = drawing.temperature
        if drawing.keep is not None and drawing.known is not None:
            self.view(block, r.KEEP)[...] = drawing.keep.numpy()
            self.view(block, r.IMAGE)[...] = drawing.known.numpy()
        if drawing.weighed is not None:
            self.view(block, r.WEIGHED)[...] = drawing.weighed.numpy()
        if drawing.coder is not None:
            registers, code = drawing.coder
            self.view(block, r.CODED)[...] = 1
            self.view(block, r.CODER)[...] = registers.view(np.int64)
            self.view(block, r.CODES).view(np.uint8)[: len(code)] = code
        done = self.view(block, r.DONE)
        done[:first_row] = self.sizes.width
        done[-1] = self.sizes.width
        self.view(block, r.FIRST_ROW)[...] = first_row
        self.view(block, r.STOP)[...] = drawing.end or config.height, 0
        self.view(block, r.ENDED)[...] = -1

    def _outside(self) -> Iterator[tuple[int, Any]]:
        """Yield the fields that are read before they are written, and what they hold
        then."""
        yield r.SCALED, 0
        yield r.STREAMS, 0
        yield from self._layers.outside(self.network)

    def _lay_out_state(self) -> Arena:
        config, maps, sizes = self.network.config, self.maps, self.sizes
        C, H, W, L = config.channels, sizes.height, sizes.width, config.layers
        K = sizes.rows_at_once
        features, wide = maps.features.features, maps.wide.features
        arena = Arena()
        arena.add(r.SCALED, H + r.SIDE, W + 2 * r.SIDE, C)
        arena.add(r.CONDITIONS, H * W, self.network.conditioning)
        arena.add(r.STREAMS, L + 1, self._stream_cells(), features)
        arena.add(r.SKIPS, K, features)
        arena.add(r.OUT, L, K, maps.hidden.features)
        arena.add(r.TOP, K, features)
        arena.add(r.FIRST, K, wide)
        arena.add(r.SECOND, K, wide)
        arena.add(r.LOGITS, K, maps.outputs.features)
        arena.add(r.LARGEST, K)
        arena.add(r.EXPONENTIALS, K, config.values)
        self._layers.add_state(arena, L, maps, sizes)
        return arena

    def _stream_cells(self) -> int:
        sizes = self.sizes
        place = KINDS[self.kind].STREAM_PLACE
        cells = {
            r.IN_ORDER: sizes.rows_at_once,
            r.IN_RING: sizes.ring_rows * (sizes.width + 2),
            r.BY_COLUMN: sizes.width,
        }
        return cells[place]

    def _lay_out_image(self) -> Arena:
        config, sizes = self.network.config, self.sizes
        C, H, W, K = config.channels, sizes.height, sizes.width, sizes.rows_at_once
        arena = Arena()
        arena.add(r.IMAGE, C, H, W)
        arena.add(r.KEEP, H, W)
        arena.add(r.WEIGHED, H, W)
        arena.add(r.NOISE, H, W, C)
        arena.add(r.LOG_P, H)
        arena.add(r.TEMPERATURE, 1)
        arena.add(r.DONE, H + 1)
        arena.add(r.STOP, 2)
        for field in (r.FIRST_ROW, r.COUNT, r.WANTED_COUNT, r.ENDED, r.FAILED):
            arena.add(field, 1)
        arena.add(r.LIST, K, r.ENTRY)
        arena.add(r.WANTED, K)
        arena.add(r.CODED, 1)
        arena.add(r.CODER, REGISTERS)
        arena.add(r.CODES, -(-BYTES_A_VALUE * H * W * C // r.CELL_BYTES))
        return arena

    def _lay_out_weights(self) -> tuple["_Weights", Integers]:
        """Return all weights, and where those of each product of one colour begin."""
        network, config, maps = self.network, self.network.config, self.maps
        weights = _Weights()
        blocks, head = network.blocks, network.head
        before = input_before(network)
        weights.add(r.BEFORE_W, before if config.categories else before.t())
        weights.add(r.BEFORE_B, network.input.bias)
        weights.add(r.UP_B, torch.stack([block.up.bias for block in blocks]))
        weights.add(r.SKIP_B, _skip_bias(network))
        weights.add(r.FIRST_B, head.first.bias)
        weights.add(r.SECOND_B, head.second.bias)
        weights.add(r.OUTPUT_B, head.output.bias)
        for field, array in self._layers.weights(network, maps).items():
            weights.add(field, array)

        kind = part(config.kind.compiled)
        begins = np.zeros((r.PRODUCTS, config.layers, config.channels), np.int64)
        for layer, colour, product in products_in_order(network, kind, maps):
            begins[product.name, layer, colour] = weights.size
            bounds = product.outputs.bounds
            rows = slice(bounds[colour], bounds[colour + 1])
            weights.append(product.weights[rows, : product.known[colour]].t())
        return weights, begins

    def _fill_record(self, weight_places: dict[int, int], begins: Integers) -> Integers:
        config, maps, sizes = self.network.config, self.maps, self.sizes
        record = np.zeros(r.BEGINS + begins.size, np.int64)
        numbers = {
            r.HEIGHT: sizes.height,
            r.WIDTH: sizes.width,
            r.CHANNELS: config.channels,
            r.VALUES: config.values,
            r.LAYERS: config.layers,
            r.RING_ROWS: sizes.ring_rows,
            r.LAG: sizes.lag,
            r.RESIDUAL: config.residual,
            r.SKIP: config.skip,
            r.CATEGORIES: config.categories,
            r.CONDITION: self.network.conditioning,
            r.STREAM_PLACE: KINDS[self.kind].STREAM_PLACE,
            r.STREAM_CELLS: self._stream_cells(),
            r.STATE_FLOATS: self._state_arena.size,
            r.IMAGE_CELLS: self._image_arena.size,
            r.LONGEST: sizes.rows_at_once,
        }
        for field, number in numbers.items():
            record[field] = number
        bounds = {
            r.FEATURES: maps.features,
            r.HIDDEN: maps.hidden,
            r.GATES: maps.gates,
            r.WIDE: maps.wide,
            r.OUTPUTS: maps.outputs,
        }
        for field, each in bounds.items():
            record[field : field + config.channels + 1] = each.bounds
        for field, first in weight_places.items():
            record[field] = first
        for arena in (self._state_arena, self._image_arena):
            for field, (first, _) in arena.places.items():
                record[field] = first
        record[r.BEGINS :] = begins.ravel()
        return record


class _Weights:
    """Weights one behind the other, as float32."""

    def __init__(self) -> None:
        self.size = 0
        self.places: dict[int, int] = {}
        self.pieces: list[Floats] = []

    def add(self, field: int, weights: Tensor | Floats) -> None:
        self.places[field] = self.size
        self.append(weights)

    def append(self, weights: Tensor | Floats) -> None:
        """Append an array, and zeros up to the next place at which one may begin."""
        if isinstance(weights, Tensor):
            weights = weights.detach().float().contiguous().numpy()
        flat = weights.astype(np.float32, copy=False).ravel()
        padded = np.zeros(-(-flat.size // ALIGNMENT) * ALIGNMENT, np.float32)
        padded[: flat.size] = flat
        self.pieces.append(padded)
        self.size += padded.size


def _skip_bias(network: PixelNetwork) -> Floats:
    """Return the sum (F,) of the skips' biases over all layers; zeros without skips."""
    biases = [block.skip.bias for block in network.blocks if block.skip is not None]
    if not biases:
        return np.zeros(len(network.blocks[0].up.bias), np.float32)
    # numpy's sum, whose order of additions the compiled loop's weights have.
    return np.stack([bias.detach().float().numpy() for bias in biases]).sum(0)


def _stacked(matrices: list[Tensor]) -> Tensor:
    """Return matrices (outputs, inputs) of all layers as one (L, inputs, outputs)."""
    return torch.stack([matrix.t() for matrix in matrices])


def _gate_biases(layers: list[Any], maps: Maps) -> Tensor:
    return torch.stack([layer.input_to_state.bias[maps.gate_order] for layer in layers])


def _per_layer(initials: list[nn.Parameter] | list[Tensor]) -> Floats:
    """Return the initial states of all layers as (L, 1, h), one for every cell."""
    return torch.stack([*initials]).detach().float().numpy()[:, None]


def _ring(sizes: Sizes) -> int:
    return sizes.ring_rows * (sizes.width + 2)


# PixelCNN.


def _pixel_cnn_state(arena: Arena, L: int, maps: Maps, sizes: Sizes) -> None:
    h = maps.hidden.features
    arena.add(r.SUMS, L, sizes.rows_at_once, h)
    arena.add(r.MAPS, L, _ring(sizes), h)


def _pixel_cnn_weights(network: PixelNetwork, _maps: Maps) -> dict[int, Tensor]:
    layers = [layer_of(block, PixelCNNLayer) for block in network.blocks]
    return {
        r.ABOVE_W: _stacked([pixel_cnn.above(layer) for layer in layers]),
        r.ABOVE_B: torch.stack([layer.spread.bias for layer in layers]),
        r.BESIDE_W: _stacked([pixel_cnn.beside(layer) for layer in layers]),
        r.DOWN_B: torch.stack([layer.down.bias for layer in layers]),
    }


def _pixel_cnn_outside(_network: PixelNetwork) -> Iterator[tuple[int, Any]]:
    yield r.MAPS, 0


# Row LSTM.


def _row_lstm_state(arena: Arena, L: int, maps: Maps, sizes: Sizes) -> None:
    h, gates = maps.hidden.features, maps.gates.features
    arena.add(r.SUMS, L, sizes.rows_at_once, gates)
    arena.add(r.MAPS, L, _ring(sizes), h)
    arena.add(r.CELLS, L, _ring(sizes), h)
    arena.add(r.GATE_SUMS, sizes.rows_at_once, gates)


def _row_lstm_weights(network: PixelNetwork, maps: Maps) -> dict[int, Tensor]:
    layers = [layer_of(block, RowLSTM) for block in network.blocks]
    return {
        r.ABOVE_W: _stacked([row_lstm.above(layer, maps) for layer in layers]),
        r.ABOVE_B: _gate_biases(layers, maps),
        r.BESIDE_W: _stacked([row_lstm.beside(layer, maps) for layer in layers]),
    }


def _row_lstm_outside(network: PixelNetwork) -> Iterator[tuple[int, Any]]:
    layers = [layer_of(block, RowLSTM) for block in network.blocks]
    yield r.MAPS, _per_layer([layer.initial_hidden for layer in layers])
    yield r.CELLS, _per_layer([layer.initial_cell for layer in layers])


# Diagonal BiLSTM.


def _diagonal_state(arena: Arena, L: int, maps: Maps, sizes: Sizes) -> None:
    _row_lstm_state(arena, L, maps, sizes)
    h, gates, W = maps.hidden.features, maps.gates.features, sizes.width
    arena.add(r.RIGHT_MAPS, L, 2 * (W + 1), h)
    arena.add(r.RIGHT_CELLS, L, W + 1, h)
    arena.add(r.RIGHT_GATES, L, W, gates)


def _diagonal_weights(network: PixelNetwork, maps: Maps) -> dict[int, Tensor]:
    left, right = diagonal_bilstm.directions(network)
    above = diagonal_bilstm.above
    return {
        r.ABOVE_W: _stacked([above(lstm, maps) for lstm in left]),
        r.ABOVE_B: _gate_biases(left, maps),
        r.RIGHT_ABOVE_W: _stacked([above(lstm, maps) for lstm in right]),
        r.RIGHT_B: _gate_biases(right, maps),
    }


def _diagonal_outside(network: PixelNetwork) -> Iterator[tuple[int, Any]]:
    left, right = diagonal_bilstm.directions(network)
    yield r.MAPS, _per_layer([lstm.initial_hidden for lstm in left])
    yield r.CELLS, _per_layer([lstm.initial_cell for lstm in left])
    yield r.RIGHT_MAPS, _per_layer([lstm.initial_hidden for lstm in right])
    yield r.RIGHT_CELLS, _per_layer([lstm.initial_cell for lstm in right])


@dataclass(frozen=True)
class _Layers:
    """What the layers of one kind add to the record's arrays."""

    add_state: Callable[[Arena, int, Maps, Sizes], None]
    """add_state(arena, layers, maps, sizes): add the arrays of the state."""
    weights: Callable[[PixelNetwork, Maps], dict[int, Tensor]]
    """The arrays of weights, but for those that are applied colour by colour."""
    outside: Callable[[PixelNetwork], Iterator[tuple[int, Any]]]
    """The arrays that are read before they are written, and what they hold then: what
    lies outside the image."""


_KINDS: dict[str, _Layers] = {
    "pixel-cnn": _Layers(_pixel_cnn_state, _pixel_cnn_weights, _pixel_cnn_outside),
    "row-lstm": _Layers(_row_lstm_state, _row_lstm_weights, _row_lstm_outside),
    "diagonal-bilstm": _Layers(_diagonal_state, _diagonal_weights, _diagonal_outside),
}
