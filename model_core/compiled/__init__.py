"""Compiled CPU code (numba, no C compiler): the loops that would drown in operator overhead.

    vector_code.py   a few rows times a few vectors of columns: products and activations in registers, as LLVM vectors
    map_products.py  training: whole maps times weights, forward and for gradients, in float32 or of bf16 numbers
    convolutions.py  training: a block of PixelCNN, a few rows of its maps after the other
    ways.py          training: from a layer to the residual stream and the skip sums
    lstm_cell.py     training: one LSTM cell of four images, forward and backward, as numba intrinsics
    scans.py         training: a whole batch of such cells, row by row
    head_nats.py     training: the last 1x1 of the head with the softmax behind it
    tiles.py         drawing: a few pixels, anywhere in memory, through one piece of a layer
    products.py      drawing: a whole list of pixels, in such tiles
    philox.py        drawing: the noise
    frontier.py      drawing: which pixels can be drawn now, several rows at once
    records.py       drawing: the records of arrays that the loop is handed, with their shapes
    shared.py        drawing: what every network does around its layers
    categorical.py   drawing: from logits to a value
    logarithm.py     its logarithm, with the same bits everywhere
    range_coder.py   coding: between values and the bytes of a file
    keeping.py       where compiled code is kept, and how damage heals
    argument_types.py  the types with which the loops that draw are compiled;  ahead.py compiles them
    loop.py          drawing: the loop; pixel_cnn.py, row_lstm.py, diagonal_bilstm.py hand it their layers;
                     recurrence.py: what the latter two share

Each function is compiled once, then kept on disk, in a directory for each processor and each state of its module and
of what this imports: numba looks only at the file of a function, and not at what it calls. Checkouts and installed
copies of the same sources share it, wherever they are. Only what is called from Python is kept: two processes
that keep an inner function of theirs at the same time may give it the same file name, and one would later run the
other's.
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
"""Options for functions that draw: numba counts no references. It would count those to every array of a tuple at each
call, which took longer than the arithmetic of a small layer. The caller keeps the arrays alive; these functions must
not allocate any, and Python cannot call them.

What is handed the records is `inline="always"` instead, because a record is dozens of arguments; a small function would
take longer to compile so, once for each call.
"""
ENTRY: dict[str, Any] = LEAN | {"cache": KEEP, "no_cpython_wrapper": False}
"""Options for functions that Python calls."""
