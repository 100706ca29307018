"""The weights and arrays of the Diagonal BiLSTM's layers for the compiled loop
(compiled/diagonal_bilstm.py)."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_core.compiled import diagonal_bilstm
from model_core.layers.diagonal_bilstm import DiagonalBiLSTM, DiagonalLSTM
from model_core.networks.pixel_network import Block, PixelNetwork, layer_of
from model_core.sampling.compiled.colour_order import Maps, Product
from model_core.sampling.compiled.kind import CompiledKind, Sizes
from model_core.sampling.compiled.layout import layer_by_layer, whole_columns
from model_core.sampling.compiled.weights import (
    Room,
    condition_weights,
    gate_bias,
    repeat_states,
    zeros,
)


def _weights(network: PixelNetwork, maps: Maps) -> dict[str, Any]:
    left, right = directions(network)
    return {
        "left_above_w": layer_by_layer(
            [whole_columns(above(lstm, maps)) for lstm in left]
        ),
        "left_b": np.stack([gate_bias(lstm.input_to_state, maps) for lstm in left]),
        "right_above_w": layer_by_layer(
            [whole_columns(above(lstm, maps)) for lstm in right]
        ),
        "right_b": np.stack([gate_bias(lstm.input_to_state, maps) for lstm in right]),
    }


def directions(network: PixelNetwork) -> tuple[list[DiagonalLSTM], list[DiagonalLSTM]]:
    """Return two lists: the left-to-right LSTMs and the right-to-left LSTMs of all
    layers, first to last. Raises AssertionError for another kind of network."""
    layers = [layer_of(block, DiagonalBiLSTM) for block in network.blocks]
    return [layer.left for layer in layers], [layer.right for layer in layers]


def above(lstm: DiagonalLSTM, maps: Maps) -> Tensor:
    """Return the weights (4h, h + c) of the gates for the hidden state of the pixel
    above (h features), then for the conditioning map (c; 0 without one). Rows are in
    the order of `maps.gates`, colour by colour."""
    weights = [lstm.state_to_state[0], *condition_weights(lstm.condition)]
    return torch.cat(weights, 1)[maps.gate_order]


def _state(network: PixelNetwork, maps: Maps, sizes: Sizes) -> dict[str, Any]:
    left, right = directions(network)
    L, W, gates = len(left), sizes.width, maps.gates.width
    # Rows, and pixels, are padded to multiples of four.
    row_pixels = (sizes.slots + 3) * W + 4
    right_map = repeat_states(
        [lstm.initial_hidden for lstm in right],
        maps.hidden,
        sizes.slots * 2 * (W + 1) + 1,
    )
    outside = (slice(None), -1), 0
    return {
        "ring_rows": sizes.ring_rows,
        "hidden": repeat_states(
            [lstm.initial_hidden for lstm in left], maps.hidden, sizes.ring_cells
        ),
        "cell": repeat_states(
            [lstm.initial_cell for lstm in left], maps.hidden, sizes.ring_cells
        ),
        "above": zeros(L, sizes.slots * min(W, diagonal_bilstm.COLUMNS), gates),
        "gates": zeros(L, sizes.step_pixels, gates),
        "out": zeros(L, sizes.step_pixels, maps.hidden.width),
        "right": right_map._replace(starts=(*right_map.starts, outside)),
        "right_cell": repeat_states(
            [lstm.initial_cell for lstm in right], maps.hidden, sizes.slots * (W + 1)
        ),
        "right_gates": zeros(row_pixels, gates),
        "lists": Room((8, row_pixels), np.int64, ((..., np.arange(row_pixels)),)),
    }


def _left_products(block: Block, maps: Maps) -> list[Product]:
    left = layer_of(block, DiagonalBiLSTM).left
    return _direction(
        diagonal_bilstm.LEFT_GATES, diagonal_bilstm.LEFT_BESIDE, left, maps
    )


def _right_products(block: Block, maps: Maps) -> list[Product]:
    right = layer_of(block, DiagonalBiLSTM).right
    return _direction(
        diagonal_bilstm.RIGHT_GATES, diagonal_bilstm.RIGHT_BESIDE, right, maps
    )


def _direction(
    gates: int, beside: int, lstm: DiagonalLSTM, maps: Maps
) -> list[Product]:
    inputs, states = (
        lstm.input_to_state.matrix()[maps.gate_order],
        lstm.state_to_state[1][maps.gate_order],
    )
    return [
        Product(gates, inputs, maps.gates, maps.features.ends),
        Product(
            beside, states, maps.gates, [maps.hidden.features] * len(maps.gates.ends)
        ),
    ]


COMPILED = CompiledKind(
    code=diagonal_bilstm,
    weights=_weights,
    state=_state,
    kept=("hidden", "cell", "right"),
    by_column=("above",),
    stream_cells=lambda sizes: sizes.slots * sizes.width,
    products=_left_products,
    row_products=_right_products,
)
