"""Compiled CPU code (numba, no C compiler): loops whose overhead in Python or torch
would exceed their arithmetic.

    vector_code.py   a few rows times a few vectors of columns: products and
                     activations in registers, as LLVM vectors
    map_products.py  training: whole maps times weights, forward and for gradients,
                     in float32 or of bf16 numbers
    convolutions.py  training: a block of PixelCNN, some rows of its maps at a time
    ways.py          training: from a layer to the residual stream and the skip sums
    lstm_cell.py     training: one LSTM cell of four images, forward and backward,
                     as numba intrinsics
    scans.py         training: a whole batch of such cells, row by row
    head_nats.py     training: the last 1 x 1 of the head with the softmax after it
    tiles.py         drawing: a few pixels, anywhere in memory, through one piece of
                     a layer
    products.py      drawing: a whole list of pixels, in such tiles
    philox.py        drawing: the noise
    frontier.py      drawing: which pixels can be drawn now, several rows at once
    records.py       drawing: the records of arrays that the loop reads and writes
    shared.py        drawing: what every network does around its layers
    categorical.py   drawing: from logits to a value
    logarithm.py     its logarithm, with the same bits everywhere
    range_coder.py   coding: between values and the bytes of a file
    loop.py          drawing: the loop; pixel_cnn.py, row_lstm.py and
                     diagonal_bilstm.py give it their layers; recurrence.py is what
                     the latter two share
    ahead.py         compiles the drawing loops before there is a network
    keeping.py       where compiled code is kept, and what happens if it is damaged

Each function is compiled once and then kept on disk, in a directory for each CPU type
and each state of its module and of what this imports, because numba looks only at the
file of a function and not at what it calls. Checkouts and installed copies of the same
sources share these directories, wherever they are. Only functions that Python calls are
kept: two processes that keep an inner function of theirs at the same time may give it
    the same file name, and one would later run the other's.
"""

from typing import Any

from model_core.compiled.keeping import KEEP, is_kept

__all__ = ["ENTRY", "KEEP", "LEAN", "is_kept"]

LEAN: dict[str, Any] = {
    "nogil": True,
    "_nrt": False,
    "no_cpython_wrapper": True,
    "no_cfunc_wrapper": True,
}
"""Options for functions that draw. numba counts no references: it would count those to
every array of a tuple at each call, which took longer than the arithmetic of a small
layer. The caller keeps the arrays alive; these functions must not allocate any, and
Python cannot call them.

A function that takes the records is `inline="always"` instead. A record has dozens of
fields, each of which is an argument of the compiled function, so even a small one would
take longer to compile, once for each call.
"""
ENTRY: dict[str, Any] = LEAN | {"cache": KEEP, "no_cpython_wrapper": False}
"""Options for functions that Python calls."""
