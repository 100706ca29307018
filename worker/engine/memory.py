"""Tells a lack of memory from other errors: it is no fault of the job that met it."""

_NAMES = frozenset({"MemoryError", "OutOfMemoryError"})
"""Python's, numpy's and numba's; torch's for CUDA."""

_WORDS = (
    "out of memory",
    "not enough memory",
    "allocate memory",
    "failed to allocate",
    "bad_alloc",
    "alloc_failed",
    "could not create a primitive",
    "could not create a memory",
)
"""Words of torch, its allocators, oneDNN and cuBLAS in a RuntimeError."""


def is_out_of_memory(error: BaseException) -> bool:
    """Would the same work succeed where there is more memory?"""
    if not _NAMES.isdisjoint(kind.__name__ for kind in type(error).__mro__):
        return True
    said = str(error).lower()
    return isinstance(error, RuntimeError) and any(word in said for word in _WORDS)
