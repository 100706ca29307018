"""Going through a phase with all threads of a block.

The order of the threads is four numbers: the first thread, how many threads take their
turn here, how many threads are between two turns, and how many there are in all. A GPU
has one turn for each thread, (its number, 1, 0, all). A CPU takes the turns of all
threads, (0, all, step, all), where the step is prime to their number.

`each`, and what hands it a phase, becomes part of the program that calls it: numba keeps
no code on disk that is handed functions at run time.
"""
# pyright: reportCallIssue=false

from numba import njit

from model_core.blocks.memory import barrier


@njit(inline="always")
def each(order, phase, block, layer, colour):
    """Let every thread do its part of `phase`, and wait until all have done it.

    phase(thread, threads, block, layer, colour): do the part of one thread.
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
