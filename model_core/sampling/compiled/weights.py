"""From a network's modules to the arrays that the compiled steps read (model_core/compiled)."""

import numpy as np
import torch
from torch import Tensor, nn

from model_core.compiled import diagonal_bilstm, pixel_cnn, row_lstm
from model_core.compiled.frontier import COLUMNS_AHEAD
from model_core.compiled.loop import SIDE, Shared
from model_core.layers.diagonal_bilstm import DiagonalBiLSTM, DiagonalLSTM
from model_core.layers.masked_conv import MaskedConv2d
from model_core.layers.pixel_cnn import ConvolutionLayer
from model_core.layers.row_lstm import RowLSTM
from model_core.networks.pixel_network import PixelNetwork, layer_of
from model_core.sampling.compiled.colour_order import Maps, weights_by_colour
from model_core.sampling.compiled.layout import Floats, Layout, layer_by_layer, pad_vector, whole_columns

_FEW = 16
_LARGE = 1 << 20
"""Bytes. Of up to so few pixels, weights larger than this are read less often when a row is summed ahead of its turn
(compiled/frontier.py). Weights that stay in the processor's second cache, or serve many pixels, are read fast enough.
"""


def shared_weights(network: PixelNetwork, maps: Maps) -> Shared:
    """What every network has, and all that is computed colour by colour."""
    config, blocks, head = network.config, network.blocks, network.head
    skips = [block.skip for block in blocks if block.skip is not None]
    skip_b = np.stack([pad_vector(skip.bias, maps.features) for skip in skips or [blocks[0].up]])
    by_colour, begins = weights_by_colour(network, maps)
    return Shared(
        channels=config.channels,
        values=config.values,
        height=config.height,
        width=config.width,
        layers=config.layers,
        residual=int(config.residual),
        skip=int(config.skip),
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
        zeros=np.zeros(max(part.width for part in (maps.features, maps.gates, maps.wide, maps.outputs)), np.float32),
        before_w=_input_before(network.input),
        before_b=pad_vector(network.input.bias, maps.features),
        up_b=np.stack([pad_vector(block.up.bias, maps.features) for block in blocks]),
        skip_b=skip_b.sum(0) * np.float32(config.skip),
        first_b=pad_vector(head.first.bias, maps.wide),
        second_b=pad_vector(head.second.bias, maps.wide),
        output_b=pad_vector(head.output.bias, maps.outputs),
        by_colour=by_colour,
        begins=begins,
    )


def convolution_own(network: PixelNetwork, maps: Maps, slots: int, ring_rows: int, work: int) -> pixel_cnn.Own:
    """Weights and state of a PixelCNN's layers; `slots` counts the scratch slot, `work` is the longest work list."""
    layers = [layer_of(block, ConvolutionLayer) for block in network.blocks]
    above_w = layer_by_layer([_spread_above(layer) for layer in layers])
    L, h = len(layers), maps.hidden.width
    return pixel_cnn.Own(
        ring_rows=ring_rows,
        few=_few(above_w),
        maps=_zeros(L, slots * ring_rows * (network.config.width + 2), h),
        above=_zeros(L, slots * ring_rows * COLUMNS_AHEAD, h),
        rectified=_zeros(L, work, maps.features.width),
        sums=_zeros(L, work, h),
        out=_zeros(L, work, h),
        down_b=np.stack([pad_vector(layer.down.bias, maps.hidden) for layer in layers]),
        above_w=above_w,
        above_b=np.stack([pad_vector(layer.spread.bias, maps.hidden) for layer in layers]),
        beside_w=layer_by_layer([_spread_beside(layer) for layer in layers]),
    )


def row_own(network: PixelNetwork, maps: Maps, slots: int, ring_rows: int, work: int) -> row_lstm.Own:
    """Weights and state of a Row LSTM's layers."""
    layers = [layer_of(block, RowLSTM) for block in network.blocks]
    above_w = layer_by_layer([_row_above(layer, maps) for layer in layers])
    cells = slots * ring_rows * (network.config.width + 2)
    return row_lstm.Own(
        ring_rows=ring_rows,
        few=_few(above_w),
        hidden=_filled([layer.initial_hidden for layer in layers], maps.hidden, cells),
        cell=_filled([layer.initial_cell for layer in layers], maps.hidden, cells),
        above=_zeros(len(layers), slots * ring_rows * COLUMNS_AHEAD, maps.gates.width),
        gates=_zeros(len(layers), work, maps.gates.width),
        above_w=above_w,
        above_b=np.stack([_gate_bias(layer.input_to_state, maps) for layer in layers]),
        beside_w=layer_by_layer([_row_beside(layer, maps) for layer in layers]),
    )


def diagonal_own(network: PixelNetwork, maps: Maps, slots: int, ring_rows: int, work: int) -> diagonal_bilstm.Own:
    """Weights and state of a Diagonal BiLSTM's layers."""
    layers = [layer_of(block, DiagonalBiLSTM) for block in network.blocks]
    left, right = [layer.left for layer in layers], [layer.right for layer in layers]
    L, W, gates = len(layers), network.config.width, maps.gates.width
    longest = (slots + 3) * W + 4  # rows, and pixels, are filled up to a multiple of four
    right_map = _filled([lstm.initial_hidden for lstm in right], maps.hidden, slots * 2 * (W + 1) + 1)
    right_map[:, -1] = 0
    return diagonal_bilstm.Own(
        ring_rows=ring_rows,
        hidden=_filled([lstm.initial_hidden for lstm in left], maps.hidden, slots * ring_rows * (W + 2)),
        cell=_filled([lstm.initial_cell for lstm in left], maps.hidden, slots * ring_rows * (W + 2)),
        above=_zeros(L, slots * W, gates),
        gates=_zeros(L, work, gates),
        out=_zeros(L, work, maps.hidden.width),
        right=right_map,
        right_cell=_filled([lstm.initial_cell for lstm in right], maps.hidden, slots * (W + 1)),
        right_gates=_zeros(longest, gates),
        lists=np.tile(np.arange(longest), (7, 1)),
        left_above_w=layer_by_layer([_diagonal_above(lstm, maps) for lstm in left]),
        left_b=np.stack([_gate_bias(lstm.input_to_state, maps) for lstm in left]),
        right_above_w=layer_by_layer([_diagonal_above(lstm, maps) for lstm in right]),
        right_b=np.stack([_gate_bias(lstm.input_to_state, maps) for lstm in right]),
    )


def _few(above_w: Floats) -> int:
    return _FEW if above_w.nbytes > _LARGE else 0


def _input_before(convolution: MaskedConv2d) -> Floats:
    """The pixels before, three rows of seven and then three: all colours of each cell."""
    weight = convolution.masked_weight()  # (O, C, 4, 7)
    cells = [(dy, dx) for dy in range(SIDE) for dx in range(2 * SIDE + 1)] + [(SIDE, dx) for dx in range(SIDE)]
    return whole_columns(torch.cat([weight[:, :, dy, dx] for dy, dx in cells], 1))


def _spread_above(layer: ConvolutionLayer) -> Floats:
    weight = layer.spread.masked_weight()  # (h, h, 2, 3)
    return whole_columns(torch.cat([weight[:, :, 0, dx] for dx in range(3)], 1))


def _spread_beside(layer: ConvolutionLayer) -> Floats:
    left = layer.spread.masked_weight()[:, :, 1, 0]
    return whole_columns(torch.cat([*_condition(layer.condition), left], 1))


def _row_above(lstm: RowLSTM, maps: Maps) -> Floats:
    return whole_columns(torch.cat([*lstm.state_to_state], 1)[maps.gate_order])


def _row_beside(lstm: RowLSTM, maps: Maps) -> Floats:
    left = lstm.input_to_state.masked_weight()[:, :, 0, 0]
    return whole_columns(torch.cat([*_condition(lstm.condition), left], 1)[maps.gate_order])


def _diagonal_above(lstm: DiagonalLSTM, maps: Maps) -> Floats:
    return whole_columns(torch.cat([lstm.state_to_state[0], *_condition(lstm.condition)], 1)[maps.gate_order])


def _gate_bias(convolution: MaskedConv2d, maps: Maps) -> Floats:
    return pad_vector(convolution.bias[maps.gate_order], maps.gates)


def _condition(condition: nn.Conv2d | None) -> list[Tensor]:
    """The (outputs, c) weights of the conditioning map, if there is one."""
    return [] if condition is None else [condition.weight[:, :, 0, 0]]


def _zeros(*shape: int) -> Floats:
    return np.zeros(shape, np.float32)


def _filled(initials: list[Tensor], hidden: Layout, cells: int) -> Floats:
    """(L, cells, h), every cell holding the layer's initial state."""
    return np.stack([np.tile(pad_vector(initial, hidden), (cells, 1)) for initial in initials])
