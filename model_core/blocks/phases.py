"""Run a phase with all threads of a block.

The order of the threads is four numbers: the first thread, how many threads take their
turn here, how many threads are between two turns, and how many there are in all. A GPU
has one turn for each thread, (its number, 1, 0, all). A CPU takes the turns of all
threads, (0, all, step, all), where the step and their number have no common factor.

A phase is a function phase(thread, threads, block, layer, colour) that does the part of
one thread: its number, the number of threads, the addresses of the block's arrays
(record.py), and a layer and a colour, which some phases do not use.

`each`, and what gives it a phase, becomes part of the program that calls it, because
numba keeps no code on disk that gets functions at run time.
"""
# pyright: reportCallIssue=false

from numba import njit

from model_core.blocks.memory import barrier


@njit(inline="always")
def each(order, phase, block, layer, colour):
    """Let every thread do its part of a phase, and wait until all have done it.

    order: the order of the threads, four numbers: the first thread, how many take their
        turn here, how many are between two turns, and how many there are.
    phase: phase(thread, threads, block, layer, colour) does the part of one thread.
    block: addresses of the record, the weights, the state and the image.
    layer, colour: passed to the phase.
    """
    first, turns, step, threads = order
    thread = first
    turn = 0
    while turn < turns:
        phase(thread, threads, block, layer, colour)
        thread += step
        if thread >= threads:
            thread -= threads
        turn += 1
    barrier()
