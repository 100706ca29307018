"""The records of arrays that a compiled loop reads and writes, and the numbers of the
products among them.

slots    images that are drawn side by side, and one scratch slot, whose pixels are
         computed and not used
S        slots, with the scratch slot            M    pixels of one step
L        layers                                  R    rows of the ring that a layer
                                                      keeps of each slot
F, h, G  features of the stream (2h), of a layer, and of its gates (4h); a cell in
         memory is a little wider
"""

from typing import Annotated, NamedTuple

import numpy as np
from numpy.typing import NDArray

SIDE = 3
"""The 7 x 7 kernel reaches three pixels to each side and three rows up."""

INPUT, UP, SKIP, FIRST, SECOND, OUTPUT = range(6)
"""Products that are computed colour by colour: the input convolution at the pixel
itself, from a layer to the next stream and to the skip sum, and the three of the
head."""
OF_LAYER = 6
"""Number of the first of a layer's own products, which the module of its kind names."""
PRODUCTS = OF_LAYER + 4

Bools1 = Annotated[NDArray[np.bool_], 1]
Bools3 = Annotated[NDArray[np.bool_], 3]
Bytes2 = Annotated[NDArray[np.uint8], 2]
Doubles1 = Annotated[NDArray[np.float64], 1]
Doubles2 = Annotated[NDArray[np.float64], 2]
Doubles4 = Annotated[NDArray[np.float64], 4]
Floats1 = Annotated[NDArray[np.float32], 1]
Floats2 = Annotated[NDArray[np.float32], 2]
Floats3 = Annotated[NDArray[np.float32], 3]
Floats4 = Annotated[NDArray[np.float32], 4]
Integers1 = Annotated[NDArray[np.int64], 1]
Integers2 = Annotated[NDArray[np.int64], 2]
Integers3 = Annotated[NDArray[np.int64], 3]
Integers4 = Annotated[NDArray[np.int64], 4]
Words2 = Annotated[NDArray[np.uint64], 2]
"""Arrays, all contiguous in C order, with their number of axes, from which ahead.py
makes the types of the loop's arguments."""


class Shared(NamedTuple):
    """Parts of every network: its sizes, and the weights around its layers. Only read;
    sampling/compiled/weights.py makes it."""

    channels: int
    values: int
    height: int
    width: int
    layers: int
    residual: int
    """1 if a layer's features are added to the stream, 0 if they replace it."""
    skip: int
    """1 if every layer is added to the top map, else 0."""
    categories: int
    """1 if the values have no order, else 0."""
    features: Integers1
    """(C + 1,): where each colour's features begin in the stream; the next four are the
    same for other maps."""
    hidden: Integers1
    gates: Integers1
    wide: Integers1
    """For the two inner maps of the head."""
    outputs: Integers1
    feature_vectors: Integers1
    """(C + 1,): where each colour begins in weights whose outputs are such a map, in
    vectors of 16; the next four are the same for other maps."""
    hidden_vectors: Integers1
    gate_vectors: Integers1
    wide_vectors: Integers1
    output_vectors: Integers1
    zeros: Floats1
    """Zeros, as many as the widest cell has floats."""
    before_w: Floats3
    """(vectors, inputs, 16): weights of the input convolution for the pixels before:
    three rows of seven cells, then three cells. For categories (cells, V, F): what each
    value of a cell adds to the sum."""
    before_b: Floats1
    """(F,)"""
    up_b: Floats2
    """(L, F)"""
    skip_b: Floats1
    """(F,): the sum over all layers."""
    first_b: Floats1
    second_b: Floats1
    output_b: Floats1
    by_colour: Floats1
    """All weights that are applied colour by colour, in the order in which a step reads
    them."""
    begins: Integers3
    """(PRODUCTS, L, C): where the weights of each product begin in by_colour. A product
    of no layer counts as one of layer 0."""


class State(NamedTuple):
    """State that changes while images are drawn, for all kinds of layers."""

    images: Integers4
    """(S, C, H, W): values."""
    keep: Bools3
    """(S, H, W): True if the value is given."""
    weighed: Bools3
    """(S, H, W): pixels, given or drawn, whose ln p is summed."""
    log_p: Doubles2
    """(S, H): the sum over each row's weighed pixels that have been passed so far."""
    noise: Doubles4
    """(S, H, W, C)"""
    coded: Bools1
    """(S,): True if a range coder takes the place of the noise (range_coder.py)."""
    coders: Words2
    """(S, REGISTERS): its registers."""
    codes: Bytes2
    """(S, 8 * C * H * W): the bytes from which an image's values are decoded, or to
    which they are encoded."""
    temperature: Doubles1
    """(S,)"""
    scaled: Floats2
    """(S * (H + 3) * (W + 6), C): values as the network reads them, categories counted
    from 1, with zeros around each image."""
    conditions: Floats2
    """(S * H * W, c): the conditioning map; c is 0 for a network without
    conditioning."""
    summed: Integers2
    """(S, H): the columns of row y for which row y - 1 is summed
    (frontier.collect_above)."""
    streams: Floats3
    """(L + 1, cells, F)"""
    skips: Floats2
    """(M, F)"""
    top: Floats2
    """(M, F): what the head reads."""
    first: Floats2
    second: Floats2
    logits: Floats2
    """(M, C * V)"""
    weights: Floats1
    """(V, padded to whole vectors): scratch of one draw."""


class Front(NamedTuple):
    """How far each image is (frontier.py)."""

    lag: int
    """Columns by which a row stays behind the row above."""
    steps: int
    """The loop returns after this many steps, even if no row is complete."""
    first_row: Integers1
    """(S,): the first row that is not complete."""
    done: Integers2
    """(S, H + 1): columns drawn of each row; the last entry is W, for what lies above
    the first row."""
    work: Integers2
    """(M, 3): slot, y and x of each pixel of a step."""
    stop: Integers2
    """(S, 2): y and x of the first pixel in raster order that is not to be drawn yet; y
    is H if there is none."""
    finished: Integers2
    """(rows, 2): slot and y of the rows that a step completed."""


class Places(NamedTuple):
    """Where the pixels of a step are in each map: for each pixel its cell, all (M,)."""

    order: Integers1
    """0, 1, 2, ...: its cell in maps that hold only the pixels of one step."""
    stream: Integers1
    values: Integers1
    condition: Integers1
    own: Integers1
    """Its own cell in a ring."""
    above: Integers1
    """The cell of the ring up and to the left."""
    sums: Integers1
    """The cell that keeps the sum of what it reads of the row above."""
    wanted: Integers1
    """The pixels that need logits, by their index in the list."""
    top: Integers1
    """The cells of their last stream."""
