"""The record of a network: its sizes, and where its arrays begin. It is an array of
int64.

One program serves every network of a kind, so sizes are not constants of it: phases
read them from the record. A block has four addresses,

    record     this record                                  the same for all blocks
    weights    float32, every weight of the network         the same for all blocks
    state      float32, what a step computes and keeps      one part for each block
    image      cells of 8 bytes: values, noise, counters    one part for each block

and the record says where each array begins in the last three, counted in elements.
`block`, the first argument of the functions here, is these four.

    L layers        C colours       F, h, G, D features of the stream (2h), of a layer,
    H, W rows and columns           of its gates (4h), and of the head's inner maps
    R rows of a ring                K maximum number of pixels that one step computes
    c features of the condition     V values of a colour

In a map, the features of several colours are side by side, colour after colour. What
colour c may read at its own pixel is therefore a prefix of the map.
"""
# pyright: reportCallIssue=false

from numba import njit

from model_core.blocks.arithmetic import PHASE
from model_core.blocks.memory import load_int

FLOAT_BYTES = 4
CELL_BYTES = 8
SIDE = 3
"""Pixels that the 7 x 7 convolution reaches to each side, and rows that it reaches
up."""
MOST_COLOURS = 3
BOUNDS = MOST_COLOURS + 1

# Sizes of the network.
HEIGHT, WIDTH, CHANNELS, VALUES, LAYERS = range(5)
RING_ROWS = 5
"""Rows of its maps that a layer keeps; row y is stored where row y - R was."""
LAG = 6
"""Columns by which a row stays behind the row above."""
RESIDUAL = 7
"""1 if a layer's features are added to the stream, 0 if they replace it."""
SKIP = 8
"""1 if every layer is added to the top map, else 0."""
CATEGORIES = 9
"""1 if the values have no order, else 0."""
CONDITION = 10
"""Features of the map that biases every layer at each pixel; 0 for most networks."""
STREAM_PLACE = 11
"""Where the streams of a pixel are: one of the three below."""
STREAM_CELLS = 12
"""Cells of one layer's stream."""
STATE_FLOATS, IMAGE_CELLS = 13, 14
"""Elements of one block's state and image."""
LONGEST = 15
"""K: maximum number of pixels of a list."""

IN_ORDER, IN_RING, BY_COLUMN = range(3)
"""By the pixel's number in the list, by its cell in the ring, or by its column."""

# Bounds of each colour in a map, BOUNDS numbers each: colour c owns bounds[c] to
# bounds[c + 1].
FEATURES = 16
HIDDEN = FEATURES + BOUNDS
GATES = HIDDEN + BOUNDS
WIDE = GATES + BOUNDS
OUTPUTS = WIDE + BOUNDS

# Arrays of weights. A matrix is (inputs, outputs).
_FIRST_WEIGHTS = OUTPUTS + BOUNDS
(
    BEFORE_W,  # (24 C, F) input convolution, the pixels before: three rows of 7, then 3
    BEFORE_B,  # (F,)              categories: BEFORE_W is (24, V, F)
    UP_B,  # (L, F)
    SKIP_B,  # (F,) the sum over all layers
    FIRST_B,  # (D,)
    SECOND_B,  # (D,)
    OUTPUT_B,  # (C V,)
    ABOVE_W,  # (L, inputs, outputs) from the cells above to a layer's sums (each kind)
    ABOVE_B,  # (L, outputs)
    BESIDE_W,  # (L, inputs, outputs) from the condition, then the left neighbour
    DOWN_B,  # (L, h) PixelCNN
    RIGHT_ABOVE_W,  # (L, h + c, G) Diagonal BiLSTM, right to left
    RIGHT_B,  # (L, G)
) = range(_FIRST_WEIGHTS, _FIRST_WEIGHTS + 13)

# Arrays of the state.
_FIRST_STATE = RIGHT_B + 1
(
    SCALED,  # (H + 3, W + 6, C) values as the network reads them, zeros around them
    CONDITIONS,  # (H W, c)
    STREAMS,  # (L + 1, stream cells, F)
    SKIPS,  # (K, F)
    SUMS,  # (L, K, outputs) what a layer reads before the pixel, all colours
    OUT,  # (L, K, h) what a layer gives
    TOP,  # (K, F) what the head reads
    FIRST,  # (K, D)
    SECOND,  # (K, D)
    LOGITS,  # (K, C V)
    LARGEST,  # (K,) the largest logit of a colour; NaN if one of them is not finite
    EXPONENTIALS,  # (K, V)
    MAPS,  # (L, R (W + 2), h) PixelCNN: what the 3 x 3 reads.  LSTMs: hidden states
    CELLS,  # (L, R (W + 2), h) cells of LSTMs
    GATE_SUMS,  # (K, G) LSTMs
    RIGHT_MAPS,  # (L, 2, W + 1, h) Diagonal BiLSTM: right-to-left states, by parity
    RIGHT_CELLS,  # (L, W + 1, h)
    RIGHT_GATES,  # (L, W, G)
) = range(_FIRST_STATE, _FIRST_STATE + 18)

# Arrays of the image: integers, but for the three that are float64.
_FIRST_IMAGE = RIGHT_GATES + 1
(
    IMAGE,  # (C, H, W) values
    KEEP,  # (H, W) 1 where the value is given
    WEIGHED,  # (H, W) 1 at pixels whose ln p is summed, given or drawn
    NOISE,  # (H, W, C) float64
    LOG_P,  # (H,) float64: the sum over each row's weighed pixels, given or drawn
    TEMPERATURE,  # (1,) float64
    DONE,  # (H + 1,) columns done of each row; the last is W, for what lies above
    STOP,  # (2,) row and column of the first pixel that is not to be done yet
    FIRST_ROW,  # (1,) the first unfinished row
    COUNT,  # (1,) pixels of the list
    WANTED_COUNT,  # (1,) pixels of it that need logits
    ENDED,  # (1,) the row that a step completed, or -1
    FAILED,  # (1,) 1 once a logit was not finite
    LIST,  # (K, ENTRY) the pixels of a step
    WANTED,  # (K,) numbers in the list of those that need logits
    CODED,  # (1,) 1 if values are encoded or decoded: the coder replaces the noise
    CODER,  # (4,) registers of the range coder (compiled/range_coder.py), as uint64
    CODES,  # (H W C,) bytes that it reads or writes, eight in a cell
) = range(_FIRST_IMAGE, _FIRST_IMAGE + 18)

# What the list says of a pixel.
ROW, COLUMN = 0, 1
VALUE_CELL = 2
"""Its cell in SCALED."""
RING_CELL = 3
"""Its cell in a ring of R rows of W + 2 cells."""
ABOVE_CELL = 4
"""The cell of the ring up and to the left."""
STREAM_CELL = 5
ORDER = 6
"""Its number among those that need logits, or -1."""
ENTRY = 7

BEGINS = CODES + 1
"""(products, L, C): where the weights of each product of one colour begin. They are
(known inputs, outputs of the colour)."""

# Products that are computed colour by colour (compiled/records.py and its kinds).
INPUT_W, UP_W, SKIP_W, FIRST_W, SECOND_W, OUTPUT_W = range(6)
OF_LAYER = 6
PRODUCTS = OF_LAYER + 4


@njit(**PHASE)
def size(block, field):
    """Return a number of the record.

    block: four addresses: of the record, the weights, the block's state and its image.
    field: a constant of this file, such as HEIGHT.
    """
    return load_int(block[0], field)


@njit(**PHASE)
def weights_at(block, field):
    """Return the address of an array of weights.

    block: see `size`.
    field: a constant of this file, such as UP_B.
    """
    return block[1] + FLOAT_BYTES * size(block, field)


@njit(**PHASE)
def state_at(block, field):
    """Return the address of an array of the block's state.

    block: see `size`.
    field: a constant of this file, such as STREAMS.
    """
    return block[2] + FLOAT_BYTES * size(block, field)


@njit(**PHASE)
def image_at(block, field):
    """Return the address of an array of the block's image.

    block: see `size`.
    field: a constant of this file, such as KEEP.
    """
    return block[3] + CELL_BYTES * size(block, field)


@njit(**PHASE)
def floats(address, index):
    """Return the address of the float32 number `index` after an address."""
    return address + FLOAT_BYTES * index


@njit(**PHASE)
def product_at(block, product, layer, colour):
    """Return the address of the weights of one product, in one layer, for one colour.

    block: see `size`.
    product: a constant such as UP_W.
    """
    number = (product * size(block, LAYERS) + layer) * size(block, CHANNELS) + colour
    return floats(block[1], size(block, BEGINS + number))


@njit(**PHASE)
def listed(block, pixel, part):
    """Return one number of the list's entry for a pixel.

    block: see `size`.
    pixel: its index in the list.
    part: ROW, COLUMN or another field of an entry.
    """
    return load_int(image_at(block, LIST), pixel * ENTRY + part)


@njit(**PHASE)
def pixels(block):
    """Return the number of pixels of the list."""
    return load_int(image_at(block, COUNT), 0)


@njit(**PHASE)
def wanted_pixels(block):
    """Return the number of pixels of the list that need logits."""
    return load_int(image_at(block, WANTED_COUNT), 0)


@njit(**PHASE)
def all_of(block, bounds):
    """Return the number of features of a map, of all colours together.

    block: see `size`.
    bounds: field of the record with the map's bounds, such as FEATURES.
    """
    return size(block, bounds + size(block, CHANNELS))
