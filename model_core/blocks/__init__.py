"""Drawing one image by one block of GPU threads, from source that a CPU runs, too.

A *block* is a group of GPU threads that work on one image together. A *phase* is work
that every thread of the block does between two *barriers*, the points where all threads
wait for each other. In a phase each thread computes some of the outputs and writes no
number that another thread reads or writes in the same phase. So the order of the
threads cannot matter, and on a CPU they run one after the other.

    memory.py           loads, stores and the barrier
    arithmetic.py       sums, activations and the logarithm, in one rounding order
    record.py           sizes of a network and where its arrays are
    pixels.py           which pixels are computed next, and their values
    coder.py            the range coder, for files of coded images
    shared.py           phases that every network has: input, after a layer, head
    pixel_cnn.py        the phases of one kind of layer each, and its program;
    row_lstm.py         lstm.py: what the latter two share
    diagonal_bilstm.py
    loop.py             the loop around a step, for every kind
    phases.py           runs a phase with all threads
    program.py          the programs by kind, and how a CPU runs one
    ptx.py              the same programs for GPUs

Every output is the chain of additions and fused multiply-adds that the compiled loops
(model_core/compiled) compute for it, in the same order. IEEE 754 defines the result of
each of these operations, so a GPU gives the same bits as a CPU.

This package knows no torch and no network: model_core/sampling/blocks lays out a
network's weights for it.
"""
