"""Records that a compiled loop is handed: arrays, and the names of the products in them.

slots    images that are drawn side by side, and one scratch slot, whose pixels are computed and thrown away
S        slots, the scratch slot among them      M    pixels of one step
L        layers                                  R    rows of the ring that a layer keeps of each slot
F, h, G  features of the stream (2h), of a layer, and of its gates (4h); a cell in memory is a little wider
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIDE = 3
"""The 7 x 7 kernel reaches three pixels to each side and three rows up."""

INPUT, UP, SKIP, FIRST, SECOND, OUTPUT = range(6)
"""Products that are computed colour by colour: the input convolution at the pixel itself, from a layer to the next
stream and to the skip sum, and the head's three."""
OF_LAYER = 6
"""The first of a layer's own products, which its file names."""
PRODUCTS = OF_LAYER + 4

Floats = NDArray[np.float32]
Integers = NDArray[np.int64]


class Shared(NamedTuple):
    """Parts of every network: its sizes, and the weights around its layers."""

    channels: int
    values: int
    height: int
    width: int
    layers: int
    residual: int
    """1 if a layer's features are added to the stream, 0 if they replace it."""
    skip: int
    """1 if every layer is summed into the top map, else 0."""
    categories: int
    """1 if the values have no order, else 0."""
    features: Integers
    """(C + 1,) where each colour's features begin in the stream; so for the maps of the next four."""
    hidden: Integers
    gates: Integers
    wide: Integers
    """Rows of the head's two inner maps."""
    outputs: Integers
    feature_vectors: Integers
    """(C + 1,) where each colour begins in weights whose outputs are such a map, in vectors of 16; so for the rest."""
    hidden_vectors: Integers
    gate_vectors: Integers
    wide_vectors: Integers
    output_vectors: Integers
    zeros: Floats
    """Zeros, as many as the widest cell is long."""
    before_w: Floats
    """(vectors, inputs, 16) of the input convolution, for the pixels before: three rows of seven cells, then three.
    Of categories (cells, V, F): what each value of a cell adds to the sum."""
    before_b: Floats
    """(F,)"""
    up_b: Floats
    """(L, F)"""
    skip_b: Floats
    """(F,) the sum over all layers."""
    first_b: Floats
    second_b: Floats
    output_b: Floats
    by_colour: Floats
    """All weights that are applied colour by colour, in the order in which a step reads them."""
    begins: Integers
    """(PRODUCTS, L, C) where those of each product begin; what belongs to no layer counts as of layer 0."""


class State(NamedTuple):
    """State that changes while images are drawn, whatever the layers are."""

    images: Integers
    """(S, C, H, W) values."""
    keep: NDArray[np.bool_]
    """(S, H, W) where the value is given."""
    weighed: NDArray[np.bool_]
    """(S, H, W) given pixels of which ln p is asked for."""
    log_p: NDArray[np.float64]
    """(S, H) the sum over each row's weighed pixels that were passed so far."""
    noise: NDArray[np.float64]
    """(S, H, W, C)"""
    coded: NDArray[np.bool_]
    """(S,) whether a range coder stands in the place of the noise (range_coder.py)."""
    coders: NDArray[np.uint64]
    """(S, REGISTERS)"""
    codes: NDArray[np.uint8]
    """(S, 8 * C * H * W) what an image's values are decoded from, or encoded to."""
    temperature: NDArray[np.float64]
    """(S,)"""
    scaled: Floats
    """(S * (H + 3) * (W + 6), C) values as the network reads them, of categories counted from 1; zeros around each
    image."""
    conditions: Floats
    """(S * H * W, c) the upsampled small image; c is 0 for a network without."""
    summed: Integers
    """(S, H): columns of row y whose contribution from row y - 1 is summed (frontier.collect_above)."""
    streams: Floats
    """(L + 1, cells, F)"""
    skips: Floats
    """(M, F)"""
    top: Floats
    """(M, F) what the head reads."""
    first: Floats
    second: Floats
    logits: Floats
    """(M, C * V)"""
    weights: Floats
    """(V, padded to whole vectors) scratch of one draw."""


class Front(NamedTuple):
    """How far each image is (frontier.py)."""

    lag: int
    """Columns that a row stays behind the row above."""
    steps: int
    """The loop comes back after so many, though no row may be complete."""
    first_row: Integers
    """(S,) the first unfinished row."""
    done: Integers
    """(S, H + 1) columns drawn of each row; the last entry is W, for what lies above the first row."""
    work: Integers
    """(M, 3) the work list: slot, y, x of each pixel."""
    stop: Integers
    """(S, 2) y and x of the first pixel in raster order that is not to be drawn yet; y is H where there is none."""
    finished: Integers
    """(rows, 2) slot and y of the rows that a step completed."""


class Places(NamedTuple):
    """Places of the pixels of the work list: for each pixel its cell in each map, all (M,)."""

    order: Integers
    """0, 1, 2, ...: maps that hold only the pixels of one step."""
    stream: Integers
    values: Integers
    condition: Integers
    own: Integers
    """Its own cell in a ring."""
    above: Integers
    """The ring's cell up and to the left."""
    sums: Integers
    """The cell that keeps the sum of what it reads of the row above."""
    wanted: Integers
    """The pixels that need logits, by their order."""
    top: Integers
    """The cells of their last stream."""
