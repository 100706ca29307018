"""An LSTM over a whole batch of images, cell by cell in raster order, forward and backward.

Diagonals and rows expose parallel work to a device that needs it. Here the batch is parallel enough, and raster order
keeps the states of the row above in the first cache. Maps are canvases, float32 (Q, B, F), Q = (H + 1) * (W + 1):
position (y + 1) * (W + 1) + x + 1 is pixel (y, x), the first row and column lie outside the image and hold the initial
state. Row y + 1 begins right where row y ends, so the one outside column serves both sides.

Where a cell reads is a list of distances between positions, always backwards in the order of the scan:

    input_steps   features of the map: 0 the pixel itself, -1 its left neighbour
    state_steps   hidden states, and cell_step the one cell that this one continues
    step          +1: each row left to right, -1: right to left

B is a multiple of 4 and h of 16. The weights have the rows of the inputs, then of the states, and 4h columns.
"""
# pyright: reportCallIssue=false
# numba passes an intrinsic's first parameter itself

import numpy as np
from numba import njit

from model_core.compiled import KEEP
from model_core.compiled.lstm_cell import TRIPLE, add_rows_times, backward_cell, forward_cell
from model_core.compiled.vector_code import COLUMNS, FLOAT_BYTES, LANES, ROWS

TILE_ROWS = ROWS
TILE_COLUMNS = COLUMNS * LANES
CHUNK_BYTES = TILE_COLUMNS * FLOAT_BYTES
"""Four gates of 16 units."""


@njit(nogil=True, cache=KEEP)
def forward_scan(inputs, weights, bias, gates, cell, hidden, rows, width, step, input_steps, state_steps, cell_step):
    """Fill gates (Q, B, 4h), cell and hidden (Q, B, h) of the first `rows` rows; their outside is the initial state."""
    B, F = inputs.shape[1:]
    h = hidden.shape[2]
    gate_bytes, state_bytes, input_bytes = 4 * h * FLOAT_BYTES, h * FLOAT_BYTES, F * FLOAT_BYTES
    at_inputs, at_gates, at_cell, at_hidden = (
        inputs.ctypes.data,
        gates.ctypes.data,
        cell.ctypes.data,
        hidden.ctypes.data,
    )
    at_weights, at_bias = weights.ctypes.data, bias.ctypes.data
    n = len(input_steps)
    reads = np.empty((n + len(state_steps), TRIPLE), np.int64)
    reads[:n, 1], reads[:n, 2] = input_bytes, F
    reads[n:, 1], reads[n:, 2] = state_bytes, h
    for y in range(rows):
        for turn in range(width):
            x = turn if step == 1 else width - 1 - turn
            position = (y + 1) * (width + 1) + x + 1
            for image in range(0, B, TILE_ROWS):
                here = position * B + image
                for k in range(n):
                    reads[k, 0] = at_inputs + (here + input_steps[k] * B) * input_bytes
                for k in range(len(state_steps)):
                    reads[n + k, 0] = at_hidden + (here + state_steps[k] * B) * state_bytes
                for chunk in range(h // 16):
                    gate, unit = chunk * CHUNK_BYTES, chunk * CHUNK_BYTES // 4
                    forward_cell(
                        reads.ctypes.data,
                        len(reads),
                        at_cell + (here + cell_step * B) * state_bytes + unit,
                        at_weights + gate,
                        at_bias + gate,
                        at_gates + here * gate_bytes + gate,
                        at_cell + here * state_bytes + unit,
                        at_hidden + here * state_bytes + unit,
                        h,
                        gate_bytes,
                    )


@njit(nogil=True, cache=KEEP)
def backward_scan(
    weights_t, gates, cell, d_hidden, d_cell, d_inputs, d_output, rows, width, step, input_steps, state_steps, cell_step
):
    """The same cells in reverse: gates become the gradients of their sums, d_inputs (Q, B, F) is added to.

    weights_t is the transposed weights (4h, K), K padded to a multiple of 64. d_hidden and d_cell (Q, B, h) start at
    zero and end with what the initial states outside the image receive.
    """
    B, F = d_inputs.shape[1:]
    h = cell.shape[2]
    gate_bytes, state_bytes, input_bytes = 4 * h * FLOAT_BYTES, h * FLOAT_BYTES, F * FLOAT_BYTES
    at_gates, at_cell, at_inputs = gates.ctypes.data, cell.ctypes.data, d_inputs.ctypes.data
    at_hidden, at_d_cell, at_output = d_hidden.ctypes.data, d_cell.ctypes.data, d_output.ctypes.data
    K = weights_t.shape[1]
    nowhere = np.zeros(TILE_ROWS * 16, np.float32)
    from_inputs, from_all = len(input_steps) * F, len(input_steps) * F + len(state_steps) * h
    places = np.empty((K // 16, 2), np.int64)
    for y in range(rows - 1, -1, -1):
        for turn in range(width - 1, -1, -1):
            x = turn if step == 1 else width - 1 - turn
            position = (y + 1) * (width + 1) + x + 1
            for image in range(0, B, TILE_ROWS):
                here = position * B + image
                before = here + cell_step * B
                for unit in range(0, state_bytes, 16 * FLOAT_BYTES):
                    backward_cell(
                        at_gates + here * gate_bytes + 4 * unit,
                        at_cell + here * state_bytes + unit,
                        at_cell + before * state_bytes + unit,
                        at_hidden + here * state_bytes + unit,
                        at_output + here * state_bytes + unit,
                        at_d_cell + here * state_bytes + unit,
                        at_d_cell + before * state_bytes + unit,
                        h,
                        gate_bytes,
                    )
                for v in range(K // 16):
                    column = 16 * v
                    places[v, 0], places[v, 1] = nowhere.ctypes.data, 16 * FLOAT_BYTES
                    if column < from_inputs:
                        back = input_steps[column // F]
                        places[v, 0] = at_inputs + (here + back * B) * input_bytes + column % F * FLOAT_BYTES
                        places[v, 1] = input_bytes
                    elif column < from_all:
                        back = state_steps[(column - from_inputs) // h]
                        feature = (column - from_inputs) % h
                        places[v, 0] = at_hidden + (here + back * B) * state_bytes + feature * FLOAT_BYTES
                        places[v, 1] = state_bytes
                for first in range(0, K, TILE_COLUMNS):
                    add_rows_times(
                        at_gates + here * gate_bytes,
                        gate_bytes,
                        4 * h,
                        weights_t.ctypes.data + first * FLOAT_BYTES,
                        K * FLOAT_BYTES,
                        places.ctypes.data + first // 16 * 16,
                    )
