"""From a network's modules to the arrays that the compiled steps read (model_core/compiled)."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from model_core.compiled import convolution, diagonal, row_lstm
from model_core.compiled.padded import Floats, Layout, gate_layout, layout, pad_matrix, pad_vector, plain
from model_core.compiled.pixels import SIDE, VALUE_WIDTH, Shared
from model_core.layers.convolution import ConvolutionLayer
from model_core.layers.diagonal_bilstm import DiagonalBiLSTM, DiagonalLSTM
from model_core.layers.masked_conv import MaskedConv2d
from model_core.layers.row_lstm import RowLSTM
from model_core.networks.pixel_network import PixelNetwork, layer_of


class Maps:
    """How this network's maps are laid out."""

    def __init__(self, network: PixelNetwork) -> None:
        config = network.config
        self.features = layout(config.features, config.channels)
        self.hidden = layout(config.hidden, config.channels)
        self.gates = gate_layout(self.hidden)
        self.wide = layout(config.head, config.channels)
        self.outputs = layout(config.values * config.channels, config.channels)
        self.condition = plain(network.conditioning)


def shared_weights(network: PixelNetwork, maps: Maps) -> Shared:
    """What every network has beside its layers."""
    config, blocks, head = network.config, network.blocks, network.head
    skips = [block.skip for block in blocks if block.skip is not None]
    up_w, up_b = _stack([_pointwise(block.up, maps.hidden, maps.features) for block in blocks])
    skip_w, skip_b = _stack([_pointwise(skip, maps.hidden, maps.features) for skip in skips] or [_nothing()])
    first_w, first_b = _pointwise(head.first, maps.features, maps.wide)
    second_w, second_b = _pointwise(head.second, maps.wide, maps.wide)
    output_w, output_b = _pointwise(head.output, maps.wide, maps.outputs)
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
        wide=maps.wide.bounds,
        outputs=maps.outputs.bounds,
        input_w=_input_matrix(network.input, maps.features),
        input_b=pad_vector(network.input.bias, maps.features),
        up_w=up_w,
        up_b=up_b,
        skip_w=skip_w,
        skip_b=skip_b,
        first_w=first_w,
        first_b=first_b,
        second_w=second_w,
        second_b=second_b,
        output_w=output_w,
        output_b=output_b,
    )


def convolution_own(network: PixelNetwork, maps: Maps, slots: int, ring_rows: int, work: int) -> convolution.Own:
    """Weights and state of a PixelCNN's layers; `slots` counts the scratch slot, `work` is the longest work list."""
    layers = [layer_of(block, ConvolutionLayer) for block in network.blocks]
    down_w, down_b = _stack([_pointwise(layer.down, maps.features, maps.hidden) for layer in layers])
    spread_w, spread_b = _stack([_spread(layer, maps) for layer in layers])
    L, h = len(layers), maps.hidden.width
    return convolution.Own(
        ring_rows=ring_rows,
        maps=np.zeros((L, slots * ring_rows * (network.config.width + 2), h), np.float32),
        rectified=np.zeros((L, work, maps.features.width), np.float32),
        out=np.zeros((L, work, h), np.float32),
        down_w=down_w,
        down_b=down_b,
        spread_w=spread_w,
        spread_b=spread_b,
    )


def row_own(network: PixelNetwork, maps: Maps, slots: int, ring_rows: int, work: int) -> row_lstm.Own:
    """Weights and state of a Row LSTM's layers."""
    layers = [layer_of(block, RowLSTM) for block in network.blocks]
    gates_w, gates_b = _stack([_row_gates(layer, maps) for layer in layers])
    cells = slots * ring_rows * (network.config.width + 2)
    return row_lstm.Own(
        ring_rows=ring_rows,
        hidden=_filled([layer.initial_hidden for layer in layers], maps.hidden, cells),
        cell=_filled([layer.initial_cell for layer in layers], maps.hidden, cells),
        gates_w=gates_w,
        gates_b=gates_b,
    )


def diagonal_own(network: PixelNetwork, maps: Maps, slots: int, ring_rows: int, work: int) -> diagonal.Own:
    """Weights and state of a Diagonal BiLSTM's layers."""
    layers = [layer_of(block, DiagonalBiLSTM) for block in network.blocks]
    left, right = [layer.left for layer in layers], [layer.right for layer in layers]
    left_w, left_b = _stack([_diagonal_gates(lstm, maps) for lstm in left])
    right_w, right_b = _stack([_diagonal_gates(lstm, maps) for lstm in right])
    W = network.config.width
    cells = slots * ring_rows * (W + 2)
    return diagonal.Own(
        ring_rows=ring_rows,
        hidden=_filled([lstm.initial_hidden for lstm in left], maps.hidden, cells),
        cell=_filled([lstm.initial_cell for lstm in left], maps.hidden, cells),
        out=np.zeros((len(layers), work, maps.hidden.width), np.float32),
        left_w=left_w,
        left_b=left_b,
        right=_filled([lstm.initial_hidden for lstm in right], maps.hidden, slots * 2 * (W + 1)),
        right_cell=_filled([lstm.initial_cell for lstm in right], maps.hidden, slots * (W + 1)),
        right_w=right_w,
        right_b=right_b,
    )


def _pointwise(convolution: MaskedConv2d, inputs: Layout, outputs: Layout) -> tuple[Floats, Floats]:
    return pad_matrix(convolution.matrix(), inputs, outputs), pad_vector(convolution.bias, outputs)


def _input_matrix(convolution: MaskedConv2d, outputs: Layout) -> Floats:
    """Cells of the map of values: three rows of seven, then four; colours and a spare in each."""
    weight = convolution.masked_weight()  # (O, C, 4, 7)
    colours = Layout(torch.arange(weight.shape[1]), np.array([0, VALUE_WIDTH]))
    above = [weight[:, :, dy, dx] for dy in range(SIDE) for dx in range(2 * SIDE + 1)]
    own_row = [weight[:, :, SIDE, dx] for dx in range(SIDE + 1)]
    return np.concatenate([pad_matrix(tap, colours, outputs) for tap in [*above, *own_row]])


def _spread(layer: ConvolutionLayer, maps: Maps) -> tuple[Floats, Floats]:
    weight = layer.spread.masked_weight()  # (h, h, 2, 3)
    above = [pad_matrix(weight[:, :, 0, dx], maps.hidden, maps.hidden) for dx in range(3)]
    beside = [pad_matrix(weight[:, :, 1, dx], maps.hidden, maps.hidden) for dx in range(2)]
    condition = _condition(layer.condition, maps, maps.hidden)
    return np.concatenate([*above, condition, *beside]), pad_vector(layer.spread.bias, maps.hidden)


def _row_gates(lstm: RowLSTM, maps: Maps) -> tuple[Floats, Floats]:
    weight = lstm.input_to_state.masked_weight()[:, :, 0]  # (4h, 2h, 3)
    states = [pad_matrix(tap, maps.hidden, maps.gates) for tap in lstm.state_to_state]
    inputs = [pad_matrix(weight[:, :, dx], maps.features, maps.gates) for dx in range(2)]
    condition = _condition(lstm.condition, maps, maps.gates)
    return np.concatenate([*states, condition, *inputs]), pad_vector(lstm.input_to_state.bias, maps.gates)


def _diagonal_gates(lstm: DiagonalLSTM, maps: Maps) -> tuple[Floats, Floats]:
    states = [pad_matrix(tap, maps.hidden, maps.gates) for tap in lstm.state_to_state]  # up, beside
    inputs = pad_matrix(lstm.input_to_state.matrix(), maps.features, maps.gates)
    condition = _condition(lstm.condition, maps, maps.gates)
    return np.concatenate([*states, condition, inputs]), pad_vector(lstm.input_to_state.bias, maps.gates)


def _condition(condition: nn.Conv2d | None, maps: Maps, outputs: Layout) -> Floats:
    """(c, outputs) weights of the conditioning map; no rows for a network without one."""
    if condition is None:
        return np.zeros((0, outputs.width), np.float32)
    return pad_matrix(condition.weight[:, :, 0, 0], maps.condition, outputs)


def _filled(initials: list[Tensor], hidden: Layout, cells: int) -> Floats:
    """(L, cells, h), every cell holding the layer's initial state."""
    return np.stack([np.tile(pad_vector(initial, hidden), (cells, 1)) for initial in initials])


def _stack(parts: list[tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
    return np.stack([weights for weights, _ in parts]), np.stack([bias for _, bias in parts])


def _nothing() -> tuple[Floats, NDArray[np.float32]]:
    return np.zeros((1, 16), np.float32), np.zeros(16, np.float32)
