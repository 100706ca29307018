"""What the recurrent networks share when they draw: the gates are summed in memory,
then the cell is computed (equation 3).

The gates of a pixel are stored colour by colour, and in each colour o, f, i, g, one
after the other without padding.
"""
# pyright: reportCallIssue=false

from numba import njit

from model_core.compiled import LEAN
from model_core.compiled.products import address, at_column, one_colour
from model_core.compiled.tiles import lstm_cells
from model_core.compiled.vector_code import FLOAT_BYTES, LANES


@njit(**LEAN)
def add_input(colour, count, read, weights, start, gates, shared):
    """Set the gates of one colour of the first `count` pixels of a step to `start` plus
    what they read of the features at `read`: of the colours up to their own.

    read, start, gates: spots (products.spot) that begin with the first colour.
    weights: address of this colour's weights.
    shared: the record of sizes and weights (records.py).
    """
    known, zeros = shared.features[colour + 1], address(shared.zeros)
    one_colour(
        colour,
        shared.gates,
        shared.gate_vectors,
        count,
        read,
        known,
        weights,
        zeros,
        start,
        gates,
        0,
    )


@njit(**LEAN)
def add_state(colour, count, read, weights, gates, shared):
    """Add to the gates of one colour of the first `count` pixels of a step what they
    read of the whole hidden state at `read`.

    read, gates: spots (products.spot) that begin with the first colour.
    weights: address of this colour's weights.
    shared: the record of sizes and weights (records.py).
    """
    known, zeros = shared.hidden[-1], address(shared.zeros)
    one_colour(
        colour,
        shared.gates,
        shared.gate_vectors,
        count,
        read,
        known,
        weights,
        zeros,
        gates,
        gates,
        0,
    )


@njit(**LEAN)
def continue_cells(colour, count, gates, before, cells, hiddens, shared):
    """Compute the cell and hidden states of one colour of the first `count` pixels of a
    step from their gates and the former cell states.

    gates, before, cells, hiddens: the gates, the former cell states, and where the
        results go: spots (products.spot) that begin with the first colour.
    shared: the record of sizes and weights (records.py).
    """
    first, units = (
        shared.hidden[colour],
        shared.hidden[colour + 1] - shared.hidden[colour],
    )
    vectors, gates = (
        (units + LANES - 1) // LANES,
        at_column(gates, shared.gates[colour]),
    )
    before, cells, hiddens = (
        at_column(before, first),
        at_column(cells, first),
        at_column(hiddens, first),
    )
    lstm_cells(count, vectors, gates, before, cells, hiddens, units * FLOAT_BYTES)
