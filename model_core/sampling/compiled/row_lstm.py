"""The weights and arrays of the Row LSTM's layers for the compiled loop
(compiled/row_lstm.py)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_core.compiled import row_lstm
from model_core.layers.row_lstm import RowLSTM
from model_core.networks.pixel_network import Block, PixelNetwork, layer_of
from model_core.sampling.compiled.colour_order import Maps, Product
from model_core.sampling.compiled.kind import CompiledKind, Sizes
from model_core.sampling.compiled.layout import layer_by_layer, whole_columns
from model_core.sampling.compiled.weights import (
    condition_weights,
    few_pixels,
    gate_bias,
    repeat_states,
    zeros,
)


def _weights(network: PixelNetwork, maps: Maps) -> dict[str, Any]:
    layers = [layer_of(block, RowLSTM) for block in network.blocks]
    above_w = layer_by_layer([whole_columns(above(layer, maps)) for layer in layers])
    return {
        "few": few_pixels(above_w),
        "above_w": above_w,
        "above_b": np.stack(
            [gate_bias(layer.input_to_state, maps) for layer in layers]
        ),
        "beside_w": layer_by_layer(
            [whole_columns(beside(layer, maps)) for layer in layers]
        ),
    }


def above(lstm: RowLSTM, maps: Maps) -> Tensor:
    """Return the weights (4h, 3h) of the gates for the three hidden states above a
    pixel, from left to right. Rows are in the order of `maps.gates`, colour by
    colour."""
    return torch.cat([*lstm.state_to_state], 1)[maps.gate_order]


def beside(lstm: RowLSTM, maps: Maps) -> Tensor:
    """Return the weights (4h, c + F) of the gates for the conditioning map (c features;
    0 without one), then for the input of the left neighbour, F features. Rows are in
    the order of `maps.gates`, colour by colour."""
    left = lstm.input_to_state.masked_weight()[:, :, 0, 0]
    return torch.cat([*condition_weights(lstm.condition), left], 1)[maps.gate_order]


def _state(network: PixelNetwork, maps: Maps, sizes: Sizes) -> dict[str, Any]:
    layers = [layer_of(block, RowLSTM) for block in network.blocks]
    L, gates = len(layers), maps.gates.width
    return {
        "ring_rows": sizes.ring_rows,
        "hidden": repeat_states(
            [layer.initial_hidden for layer in layers], maps.hidden, sizes.ring_cells
        ),
        "cell": repeat_states(
            [layer.initial_cell for layer in layers], maps.hidden, sizes.ring_cells
        ),
        "above": zeros(L, sizes.ahead_cells, gates),
        "gates": zeros(L, sizes.step_pixels, gates),
    }


def _products(block: Block, maps: Maps) -> list[Product]:
    gates = layer_of(block, RowLSTM).input_to_state.masked_weight()[
        maps.gate_order, :, 0, 1
    ]
    return [Product(row_lstm.INPUT_TO_GATES, gates, maps.gates, maps.features.ends)]


COMPILED = CompiledKind(
    code=row_lstm,
    weights=_weights,
    state=_state,
    kept=("hidden", "cell"),
    stream_cells=lambda sizes: sizes.ring_cells,
    products=_products,
)
