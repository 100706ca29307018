"""The programs by kind of network, and how a CPU runs one."""

from math import gcd
from typing import Any

from model_core.blocks import diagonal_bilstm, pixel_cnn, row_lstm

KINDS: dict[str, Any] = {
    "pixel-cnn": pixel_cnn,
    "row-lstm": row_lstm,
    "diagonal-bilstm": diagonal_bilstm,
}
"""Modules by the names of the kinds. Each has the program `draw` (loop.py), and says
with STREAM_PLACE where streams are."""


def order_on_cpu(threads: int, step: int = 1) -> tuple[int, int, int, int]:
    """Return the order in which a CPU takes the turns of all threads of a block: four
    numbers, the first arguments of a program (phases.py).

    threads: number of threads.
    step: from one thread to the next one that takes its turn. ValueError is raised if
        it has a common factor with `threads`, because then some threads would get no
        turn.
    """
    if gcd(step, threads) != 1:
        raise ValueError(f"expected a step that is prime to {threads}, got {step}")
    return 0, threads, step % threads, threads
