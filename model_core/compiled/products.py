"""Products of the features of a list of pixels with weights, in tiles (all functions
are numba's).

A spot says where features are (tiles.py). Weights are (..., vectors, inputs, 16),
vectors of 16 columns. The vectors of one tile are interleaved, input by input, so that
a tile reads one contiguous piece of memory. With tiles of one vector nothing is
interleaved, and a single pixel reads several pieces in parallel. Where a product begins
in the weights is described by (address, bytes from one vector to the next, bytes of the
inputs that are left out of each vector). The weights of the next product follow if
possible: a tile asks the memory for what comes next, and small products would wait for
it otherwise.

The columns of one colour are whole vectors in the weights. In the maps they are not
padded: the last vector runs on into the features of the next colour, with weights of
zero, and that colour writes these when its turn comes. So whatever is computed for all
colours at once is never wider than the map.
"""
# pyright: reportCallIssue=false
# numba passes an intrinsic's first parameter itself

import numpy as np
from numba import njit

from model_core.compiled import LEAN
from model_core.compiled.tiles import TALLEST, WIDEST, WIDEST_ALONE, product_tile
from model_core.compiled.vector_code import FLOAT_BYTES, INDEX_BYTES, VECTOR_BYTES

SMALLEST = 4
"""Pixels in the smallest tile of several; a single pixel is a tile of its own."""


@njit(**LEAN)
def address(array):
    """Return the address of an array's first element, as int64: numba's own is
    unsigned, and signed and unsigned numbers would give a float."""
    return np.int64(array.ctypes.data)


@njit(**LEAN)
def spot(maps, layer, cells, shift, column):
    """Return a spot: three int64 that say where features of a list of pixels are. They
    are the address of a feature in the first cell of a map, the bytes from one cell to
    the next, and the address of the list of the pixels' cells.

    maps: ([layers,] cells, width).
    layer: index of one of the layers; 0 for maps without that axis.
    cells: int64, the cell of each pixel.
    shift: number of cells to add to each.
    column: index of the feature.
    """
    first = (
        address(maps)
        + layer * maps.strides[0]
        + shift * maps.strides[-2]
        + column * FLOAT_BYTES
    )
    return first, maps.strides[-2], address(cells)


@njit(**LEAN)
def at_column(place, column):
    """Return the spot (see `spot`) that is `column` features further on."""
    return place[0] + column * FLOAT_BYTES, place[1], place[2]


@njit(**LEAN)
def from_pixel(place, pixels):
    """Return the spot (see `spot`) of the pixels from number `pixels` of the list
    on."""
    return place[0], place[1], place[2] + pixels * INDEX_BYTES


@njit(**LEAN)
def vector_of(vectors, layer):
    """Return the address of one of vectors (layers, width), such as a layer's bias."""
    return address(vectors) + layer * vectors.strides[0]


@njit(**LEAN)
def everywhere(vector, cells):
    """Return a spot (see `spot`) that is the same vector (width,) for every pixel.

    cells: any list of cells; its content does not matter.
    """
    return address(vector), np.int64(0), address(cells)


@njit(**LEAN)
def columns(weights, layer, vector, row):
    """Return where some weights begin, as `multiply` takes it: the address of the
    vector of columns number `vector`, the bytes from one vector to the next, and the
    bytes of the inputs before `row`.

    weights: ([layers,] vectors, inputs, 16).
    layer: index of the layer; 0 for weights without that axis.
    """
    stride = weights.strides[-3]
    return (
        address(weights) + layer * weights.strides[0] + vector * stride,
        stride,
        row * VECTOR_BYTES,
    )


@njit(inline="always")
def block(left):
    """Return how many of the `left` remaining vectors of columns the next tile takes;
    those of a tile are interleaved."""
    return min(WIDEST, left) if left != 4 else min(WIDEST, 2)


@njit(**LEAN)
def multiply(count, read, taps, features, weights, vectors, bias, start, out, rectify):
    """Compute out = bias + start + read @ weights for `count` pixels, 1 or a multiple
    of 4, and 16 * vectors columns.

    read, taps, features: a spot (see `spot`), of which `features` features of each of
        `taps` adjacent cells are read.
    weights: as `columns` returns it.
    bias: the address of a vector.
    start, out: spots, of what is added and of the result.
    rectify: 1 to replace negative results by zero.
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
    """Compute out = bias + start + read @ weights for the features of one colour, from
    the first `known` features of a cell.

    bounds, vectors: int64 (C + 1,), where each colour begins, in features of a map and
        in vectors of weights.
    count: pixels, 1 or a multiple of 4.
    read, start, out: spots (see `spot`) that begin with the first colour.
    weights: address of this colour's weights, (vectors, known, 16).
    bias: address of a vector that begins with the first colour.
    rectify: 1 to replace negative results by zero.
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
