"""One direction of the Diagonal LSTM over a whole batch, cell by cell in raster order.

Diagonals expose parallel work to a device that needs it. Here the batch is parallel enough, and raster order keeps the
states of the row above in the first cache. Maps are canvases, float32 (Q, B, F), Q = (H + 1) * (W + 1): position
(y + 1) * (W + 1) + x + 1 is pixel (y, x), the first row and column lie outside the image and hold the initial state.
Row y + 1 begins right where row y ends, so the one outside column serves both directions.

    step +1: left to right, reads (y, x-1); step -1: right to left, reads (y, x+1). Both read (y-1, x).
B is a multiple of 4 and h of 16. Weights are (2h + h + h, 4h): rows for the inputs, the neighbour, the pixel above.
"""
# pyright: reportCallIssue=false
# numba passes an intrinsic's first parameter itself

import numpy as np
from numba import njit

from model_core.compiled.lstm_cell import add_rows_times, backward_cell, forward_cell

FLOAT_BYTES = 4
CHUNK_BYTES = 4 * 64
"""Four gates of 16 units."""


@njit(nogil=True)
def forward_scan(inputs, weights, bias, gates, cell, hidden, rows, width, step):  # type: ignore[no-untyped-def]
    """Fill gates (Q, B, 4h), cell and hidden (Q, B, h) of the first `rows` rows; their outside is the initial state."""
    B, F = inputs.shape[1:]
    h = hidden.shape[2]
    gate_bytes, state_bytes = 4 * h * FLOAT_BYTES, h * FLOAT_BYTES
    at_inputs, at_gates, at_cell, at_hidden = (
        inputs.ctypes.data,
        gates.ctypes.data,
        cell.ctypes.data,
        hidden.ctypes.data,
    )
    at_weights, at_bias = weights.ctypes.data, bias.ctypes.data
    for y in range(rows):
        for turn in range(width):
            x = turn if step == 1 else width - 1 - turn
            position = (y + 1) * (width + 1) + x + 1
            for image in range(0, B, 4):
                here = position * B + image
                left = here - step * B
                up = here - (width + 1) * B
                for chunk in range(h // 16):
                    gate, unit = chunk * CHUNK_BYTES, chunk * CHUNK_BYTES // 4
                    forward_cell(
                        at_inputs + here * F * FLOAT_BYTES,
                        at_hidden + left * state_bytes,
                        at_hidden + up * state_bytes,
                        at_cell + left * state_bytes + unit,
                        at_weights + gate,
                        at_bias + gate,
                        at_gates + here * gate_bytes + gate,
                        at_cell + here * state_bytes + unit,
                        at_hidden + here * state_bytes + unit,
                        F,
                        h,
                        gate_bytes,
                    )


@njit(nogil=True)
def backward_scan(weights_t, gates, cell, d_hidden, d_cell, d_inputs, d_output, rows, width, step):  # type: ignore[no-untyped-def]
    """The same cells in reverse: gates become the gradients of their sums, d_inputs (Q, B, 2h) is added to.

    weights_t is (4h, 4h), the weights transposed. d_hidden and d_cell (Q, B, h) start at zero and end with what the
    initial states outside the image receive.
    """
    B, F = d_inputs.shape[1:]
    h = cell.shape[2]
    gate_bytes, state_bytes, input_bytes = 4 * h * FLOAT_BYTES, h * FLOAT_BYTES, F * FLOAT_BYTES
    at_gates, at_cell, at_inputs = gates.ctypes.data, cell.ctypes.data, d_inputs.ctypes.data
    at_hidden, at_d_cell, at_output, at_weights = (
        d_hidden.ctypes.data,
        d_cell.ctypes.data,
        d_output.ctypes.data,
        weights_t.ctypes.data,
    )
    to, by = np.empty(4, np.int64), np.empty(4, np.int64)
    for y in range(rows - 1, -1, -1):
        for turn in range(width - 1, -1, -1):
            x = turn if step == 1 else width - 1 - turn
            position = (y + 1) * (width + 1) + x + 1
            for image in range(0, B, 4):
                here = position * B + image
                left = here - step * B
                up = here - (width + 1) * B
                for chunk in range(h // 16):
                    unit = chunk * CHUNK_BYTES // 4
                    backward_cell(
                        at_gates + here * gate_bytes + chunk * CHUNK_BYTES,
                        at_cell + here * state_bytes + unit,
                        at_cell + left * state_bytes + unit,
                        at_hidden + here * state_bytes + unit,
                        at_output + here * state_bytes + unit,
                        at_d_cell + here * state_bytes + unit,
                        at_d_cell + left * state_bytes + unit,
                        h,
                        gate_bytes,
                    )
                for first in range(0, 4 * h, 64):
                    for v in range(4):
                        column = first + 16 * v
                        if column < F:
                            to[v], by[v] = at_inputs + here * input_bytes + column * FLOAT_BYTES, input_bytes
                        elif column < F + h:
                            to[v], by[v] = at_hidden + left * state_bytes + (column - F) * FLOAT_BYTES, state_bytes
                        else:
                            to[v], by[v] = at_hidden + up * state_bytes + (column - F - h) * FLOAT_BYTES, state_bytes
                    add_rows_times(
                        at_gates + here * gate_bytes,
                        gate_bytes,
                        4 * h,
                        at_weights + first * FLOAT_BYTES,
                        gate_bytes,
                        to[0],
                        by[0],
                        to[1],
                        by[1],
                        to[2],
                        by[2],
                        to[3],
                        by[3],
                    )
