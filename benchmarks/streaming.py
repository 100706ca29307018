"""How fast one core reads an array again and again, by its size. Drawing one image at a time can be no faster.

python benchmarks/streaming.py
"""

import time

import numpy as np
from numba import njit
from page import machine

MIB = (0.25, 1, 4, 8, 12, 15, 20, 40)
READ_MIB = 512
ROUNDS = 9


def main() -> None:
    print(machine())
    for mib in MIB:
        values, times = np.ones(int(mib * 2**18), np.float32), int(READ_MIB / mib)
        _total(values, 1)
        best = min(_seconds(values, times) for _ in range(ROUNDS))
        print(f"{mib:6.2f} MiB: {times * values.nbytes / best / 1e9:5.1f} GB/s")


def _seconds(values: np.ndarray, times: int) -> float:
    began = time.perf_counter()
    _total(values, times)
    return time.perf_counter() - began


@njit(fastmath=True)
def _total(values, times):  # type: ignore[no-untyped-def]
    total = np.float32(0)
    for _ in range(times):
        for i in range(values.size):
            total += values[i]
    return total


if __name__ == "__main__":
    main()
