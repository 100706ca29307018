"""An LSTM over a whole batch of images, row by row, forward and backward.

Maps are canvases (Q * B, F), Q = (H + 1) * (W + 1): position (y + 1) * (W + 1) + x + 1
is pixel (y, x). The first row and the first column lie outside the image and hold the
initial state. Row y + 1 begins right where row y ends, so the one outside column serves
both sides.

What a cell reads is described by distances between positions, which always lead
backwards in the order of the scan:

    input_steps   features of the map: 0 the pixel itself, -1 its left neighbour
    state_steps   hidden states, first those of the row above, and cell_step the one
                  cell state that this cell continues
    step          +1: each row left to right, -1: right to left

What the gates of a row read of features and of the row above is one product for the
whole row. A state beside, the last of state_steps if there is one, is added cell by
cell.

inputs, hidden and the weights have one type: float32, or uint16 with the bits of bf16
(map_products.py). Everything else is float32. B is a multiple of 4, F and h of 16.
"""
# pyright: reportCallIssue=false
# numba passes an intrinsic's first parameter itself

import numpy as np
from numba import njit

from model_core.compiled import KEEP
from model_core.compiled.lstm_cell import backward_cell, forward_cell
from model_core.compiled.map_products import (
    APART,
    AS_IT_IS,
    TRIPLE,
    add_outer,
    fill_read,
    multiply_rows,
    pair_rows,
)
from model_core.compiled.products import address
from model_core.compiled.vector_code import FLOAT_BYTES, LANES, ROWS

TILE_ROWS = ROWS


@njit(nogil=True, cache=KEEP)
def forward_scan(
    inputs,
    weights,
    beside_weights,
    bias,
    gates,
    cell,
    hidden,
    batch,
    rows,
    width,
    step,
    input_steps,
    state_steps,
    cell_step,
):
    """Fill gates (Q * B, 4h), cell and hidden (Q * B, h) of the first `rows` rows of
    all images. Outside of the image, cell and hidden hold the initial state already.

    Gates are stored in chunks of [o, f, i, g], 16 units each.

    weights: (4h / 32, words, 32), for the inputs and the row above.
    beside_weights: (h / 16, words, 64), for a state beside; no words if there is none.
    bias: (1, 4h), or (W * B, 4h), a row for each cell of a row of the images.
    gates: may be as long as one row of the images, if they are not needed later.
    batch, rows, width: B images; rows of them, and W, the pixels of a row.
    step: 1 to go through each row from left to right, -1 from right to left.
    input_steps, state_steps, cell_step: distances between positions to the features,
        hidden states and cell state that a cell reads (module's docstring).
    """
    B, F, h = batch, inputs.shape[1], hidden.shape[1]
    input_bytes, hidden_bytes = F * inputs.itemsize, h * hidden.itemsize
    gate_bytes, state_bytes = 4 * h * FLOAT_BYTES, h * FLOAT_BYTES
    n, count, keeps_gates = len(input_steps), width * B, len(gates) > width * B
    beside_words = beside_weights.shape[1]
    above = len(state_steps) - (1 if beside_words else 0)
    reads = np.empty((n + above, TRIPLE), np.int64)
    bias_bytes = gate_bytes if len(bias) > 1 else 0
    for y in range(rows):
        first = ((y + 1) * (width + 1) + 1) * B
        for k in range(n):
            at = first + input_steps[k] * B
            fill_read(
                reads, k, address(inputs), at, input_bytes, input_bytes // FLOAT_BYTES
            )
        for k in range(above):
            at = first + state_steps[k] * B
            fill_read(
                reads,
                n + k,
                address(hidden),
                at,
                hidden_bytes,
                hidden_bytes // FLOAT_BYTES,
            )
        at_gates = address(gates) + (first if keeps_gates else 0) * gate_bytes
        multiply_rows(
            weights,
            gates,
            reads,
            count,
            0,
            address(bias),
            bias_bytes,
            address(weights),
            weights.strides[0],
            4 * h // LANES,
            at_gates,
            gate_bytes,
            AS_IT_IS,
        )
        for turn in range(width):
            x = turn if step == 1 else width - 1 - turn
            for image in range(x * B, (x + 1) * B, TILE_ROWS):
                here = first + image
                for unit in range(0, h, LANES):
                    across = unit * FLOAT_BYTES
                    forward_cell(
                        hidden,
                        at_gates + image * gate_bytes + 4 * across,
                        gate_bytes,
                        address(hidden) + (here + state_steps[-1] * B) * hidden_bytes,
                        beside_words,
                        address(beside_weights)
                        + unit // LANES * beside_weights.strides[0],
                        address(cell) + (here + cell_step * B) * state_bytes + across,
                        address(cell) + here * state_bytes + across,
                        address(hidden) + here * hidden_bytes + unit * hidden.itemsize,
                        h,
                    )


@njit(nogil=True, cache=KEEP)
def backward_scan(
    inputs,
    hidden,
    gates,
    cell,
    input_weights,
    state_weights,
    d_output,
    d_hidden,
    d_cell,
    d_inputs,
    d_weights,
    d_bias,
    d_images,
    batch,
    rows,
    width,
    step,
    input_steps,
    state_steps,
    cell_step,
):
    """Go back through `forward_scan`, whose other arguments are the same, given
    d_output (Q * B, h), the gradient of the hidden states from the layer above: add to
    d_inputs, d_weights and d_bias.

    inputs, hidden, gates, cell: of `forward_scan`.
    input_weights: (n, F / 32, words of 4h, 32), and state_weights: one neighbour after
        the other, transposed, from gates to what they read.
    d_weights: (features of all neighbours, 4h), gates in their chunks.
    d_hidden, d_cell: (Q * B, h), zero at first; at the end they hold the gradients of
        the initial states outside the image.
    d_images: (B, 4h), receives the gradient of the bias image by image; no rows if it
        is not needed.
    """
    B, F, h = batch, inputs.shape[1], hidden.shape[1]
    count = width * B
    d_gates = np.empty((count, 4 * h + APART), hidden.dtype)
    pairs = np.empty((count // 2, max(F, h) + 4 * h + 2 * APART), np.uint32)
    state_bytes, gate_bytes = h * FLOAT_BYTES, 4 * h * FLOAT_BYTES
    beside = abs(state_steps[-1]) == 1
    above = len(state_steps) - 1 if beside else len(state_steps)
    for y in range(rows - 1, -1, -1):
        first = ((y + 1) * (width + 1) + 1) * B
        for turn in range(width - 1, -1, -1):
            x = turn if step == 1 else width - 1 - turn
            for image in range(x * B, (x + 1) * B, TILE_ROWS):
                here = first + image
                before = here + cell_step * B
                for unit in range(0, h, LANES):
                    across = unit * FLOAT_BYTES
                    backward_cell(
                        hidden,
                        address(gates) + here * gate_bytes + 4 * across,
                        address(d_gates)
                        + image * d_gates.strides[0]
                        + 4 * unit * hidden.itemsize,
                        d_gates.strides[0],
                        address(d_bias) + 4 * across,
                        address(cell) + here * state_bytes + across,
                        address(cell) + before * state_bytes + across,
                        address(d_hidden) + here * state_bytes + across,
                        address(d_output) + here * state_bytes + across,
                        address(d_cell) + here * state_bytes + across,
                        address(d_cell) + before * state_bytes + across,
                        h,
                    )
            if beside:
                _hand_back(
                    d_gates,
                    x * B,
                    B,
                    state_weights[above],
                    d_hidden,
                    first + (x + state_steps[-1]) * B,
                )
        if len(d_images):
            _add_by_image(d_gates, d_images)
        for k in range(len(input_steps)):
            _hand_back(
                d_gates,
                0,
                count,
                input_weights[k],
                d_inputs,
                first + input_steps[k] * B,
            )
        for k in range(above):
            _hand_back(
                d_gates,
                0,
                count,
                state_weights[k],
                d_hidden,
                first + state_steps[k] * B,
            )
        _add_weight_gradients(
            inputs,
            hidden,
            d_gates,
            pairs,
            first,
            B,
            input_steps,
            state_steps,
            d_weights,
        )


@njit(nogil=True)
def _add_by_image(d_gates, d_images):
    """Add the rows of one row of the images, (W * B, 4h and more), to the rows of their
    images, (B, 4h)."""
    B, columns = d_images.shape
    widened = np.empty(columns, np.uint32)
    floats = widened.view(np.float32)
    for row in range(len(d_gates)):
        for j in range(columns):
            if d_gates.itemsize == FLOAT_BYTES:
                d_images[row % B, j] += d_gates[row, j]
            else:
                widened[j] = (
                    np.uint32(d_gates[row, j]) << 16
                )  # bf16: the upper half of a float32
        if d_gates.itemsize != FLOAT_BYTES:
            for j in range(columns):
                d_images[row % B, j] += floats[j]


@njit(nogil=True)
def _hand_back(d_gates, row, count, weights, target, at):
    """Add the gradient of what `count` rows of gates read, from `row` on, to the rows
    of `target` from `at` on."""
    reads = np.empty((1, TRIPLE), np.int64)
    fill_read(reads, 0, address(d_gates), row, d_gates.strides[0], weights.shape[1])
    out, out_bytes, vectors = (
        address(target) + at * target.strides[0],
        target.strides[0],
        target.shape[1] // LANES,
    )
    at_weights, panel_bytes = address(weights), weights.strides[0]
    multiply_rows(
        d_gates,
        target,
        reads,
        count,
        0,
        out,
        out_bytes,
        at_weights,
        panel_bytes,
        vectors,
        out,
        out_bytes,
        AS_IT_IS,
    )


@njit(nogil=True)
def _add_weight_gradients(
    inputs, hidden, d_gates, pairs, first, batch, input_steps, state_steps, d_weights
):
    """Add the gradients of the weights from the gates of one row of the images, which
    begins at row `first` of the maps."""
    n, columns = len(input_steps), d_weights.shape[1]
    count, right, right_bytes = len(d_gates), address(d_gates), d_gates.strides[0]
    is_paired = hidden.itemsize != FLOAT_BYTES
    at_pairs, pair_bytes = address(pairs), pairs.strides[0]
    if is_paired:
        right = at_pairs + pair_bytes - (columns + APART) * FLOAT_BYTES
        pair_rows(
            address(d_gates),
            d_gates.strides[0],
            count,
            columns // LANES,
            right,
            pair_bytes,
        )
        right_bytes = pair_bytes
    target = address(d_weights)
    for k in range(n + len(state_steps)):
        row = first + (input_steps[k] if k < n else state_steps[k - n]) * batch
        features, left_bytes = (
            (inputs.shape[1], inputs.strides[0])
            if k < n
            else (hidden.shape[1], hidden.strides[0])
        )
        left, below = (
            (address(inputs) if k < n else address(hidden)) + row * left_bytes,
            count,
        )
        if is_paired:
            pair_rows(left, left_bytes, count, features // LANES, at_pairs, pair_bytes)
            left, left_bytes, below = at_pairs, pair_bytes, count // 2
        add_outer(
            hidden,
            left,
            left_bytes,
            features,
            right,
            right_bytes,
            columns // LANES,
            below,
            target,
            d_weights.strides[0],
        )
        target += features * d_weights.strides[0]
