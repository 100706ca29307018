"""Products of a work list's features with weights, in tiles (all functions numba's).

Where features lie is a spot (tiles.py). Weights are (..., vectors, inputs, 16), vectors of 16 columns; within that,
those of one tile are mixed, input by input, so that a tile reads one stretch of memory from end to end; where tiles are
one vector wide nothing is, and one pixel alone reads a few stretches side by side. Where a product begins in them is
(address, bytes from one vector to the next, bytes of the inputs left out of each vector). The next product's follow
where that can be: a tile asks for what lies ahead, and small products would wait for memory otherwise.

The columns of one colour are whole vectors in the weights, and in the maps no wider than they are: the last vector runs
on into the next colour's features, with weights of zero, and that colour writes them when its turn comes. So whatever
is computed for all colours at once is never wider than the map.
"""
# pyright: reportCallIssue=false
# numba passes an intrinsic's first parameter itself

import numpy as np
from numba import njit

from model_core.compiled import LEAN
from model_core.compiled.tiles import TALLEST, WIDEST, WIDEST_ALONE, product_tile
from model_core.compiled.vector_code import FLOAT_BYTES, INDEX_BYTES, VECTOR_BYTES

SMALLEST = 4
"""Pixels in the smallest tile but one, which is a single pixel."""


@njit(**LEAN)
def address(array):
    """Address of an array's beginning, as int64: numba's own is unsigned, and signed and unsigned make a float."""
    return np.int64(array.ctypes.data)


@njit(**LEAN)
def spot(maps, layer, cells, shift, column):
    """Feature `column` of the cells `shift` after each of `cells`; maps are ([layers,] cells, width)."""
    first = (
        address(maps)
        + layer * maps.strides[0]
        + shift * maps.strides[-2]
        + column * FLOAT_BYTES
    )
    return first, maps.strides[-2], address(cells)


@njit(**LEAN)
def at_column(place, column):
    """The spot `column` features on."""
    return place[0] + column * FLOAT_BYTES, place[1], place[2]


@njit(**LEAN)
def from_pixel(place, pixels):
    """The spot of the pixels from the `pixels`-th of the list on."""
    return place[0], place[1], place[2] + pixels * INDEX_BYTES


@njit(**LEAN)
def vector_of(vectors, layer):
    """The address of one of vectors (layers, width), such as a layer's bias."""
    return address(vectors) + layer * vectors.strides[0]


@njit(**LEAN)
def everywhere(vector, cells):
    """A spot that is the same vector (width,) for every pixel."""
    return address(vector), np.int64(0), address(cells)


@njit(**LEAN)
def columns(weights, layer, vector, row):
    """Address of the weights from vector of columns `vector` on, their stride, and the offset of input `row`; weights
    ([layers,] vectors, inputs, 16)."""
    stride = weights.strides[-3]
    return (
        address(weights) + layer * weights.strides[0] + vector * stride,
        stride,
        row * VECTOR_BYTES,
    )


@njit(inline="always")
def block(left):
    """How many of so many vectors of columns are mixed for a tile."""
    return min(WIDEST, left) if left != 4 else min(WIDEST, 2)


@njit(**LEAN)
def multiply(count, read, taps, features, weights, vectors, bias, start, out, rectify):
    """out = bias + start + read @ weights for `count` pixels (1 or a multiple of 4) and 16 * vectors columns.

    read: `features` of each of `taps` cells side by side. bias: the address of a vector. rectify: 1 for max(., 0).
    """
    vector = 0
    while vector < vectors:
        mixed = block(vectors - vector)
        wide, vector_bytes = mixed, np.int64(VECTOR_BYTES)
        if WIDEST == 1:  # nothing is mixed: each vector is a stretch of its own
            wide, vector_bytes = (
                min(WIDEST_ALONE, vectors - vector) if count == 1 else 1,
                weights[1],
            )
        across = vector * VECTOR_BYTES
        pixel = 0
        while pixel < count:
            tall = TALLEST if count - pixel >= TALLEST else min(SMALLEST, count - pixel)
            along = pixel * INDEX_BYTES
            product_tile(
                tall,
                wide,
                (read[0], read[1], read[2] + along),
                taps,
                features,
                weights[0] + vector * weights[1] + mixed * weights[2],
                vector_bytes,
                mixed * VECTOR_BYTES,
                bias + across,
                (start[0] + across, start[1], start[2] + along),
                (out[0] + across, out[1], out[2] + along),
                rectify,
            )
            pixel += tall
        vector += wide


@njit(**LEAN)
def one_colour(
    colour, bounds, vectors, count, read, known, weights, bias, start, out, rectify
):
    """out = bias + start + read @ weights, the features of one colour, from the `known` features of one cell.

    weights: the address of this colour's, (vectors, known, 16). bias, start and out begin with the first colour; bounds
    and vectors say where each begins, in them and in weights.
    """
    column = bounds[colour]
    multiply(
        count,
        read,
        1,
        known,
        (weights, known * VECTOR_BYTES, np.int64(0)),
        vectors[colour + 1] - vectors[colour],
        bias + column * FLOAT_BYTES,
        at_column(start, column),
        at_column(out, column),
        rectify,
    )
