"""Recognises errors that are not the fault of the job or model that met them: a lack of
memory, a failed GPU, and errors of files that may pass."""

import errno

_MEMORY_NAMES = frozenset({"MemoryError", "OutOfMemoryError"})
"""Names of exceptions of Python, numpy and numba, and of torch for CUDA."""

_MEMORY_WORDS = (
    "out of memory",
    "not enough memory",
    "allocate memory",
    "failed to allocate",
    "bad_alloc",
    "alloc_failed",
    "could not create a primitive",
    "could not create a memory",
    "can't start new thread",
)
"""Phrases of torch, its allocators, oneDNN and cuBLAS in a RuntimeError. The last one
is Python's, if there is no memory for a thread's stack."""

_NUMBA_WORDS = ("error return without exception set",)
"""Phrases of a SystemError: compiled code that is refused memory by the process's limit
returns an error without an exception."""

_GPU_NAMES = frozenset({"AcceleratorError"})
"""Torch's class for an error that CUDA reports."""

_GPU_WORDS = (
    "cuda error",
    "cuda driver error",
    "cudnn error",
    "cudnn_status",
    "cublas_status",
    "no cuda gpus",
)
"""Words of torch, cuDNN and cuBLAS in a RuntimeError."""


_PASSING = frozenset(
    {errno.ENOMEM, errno.EIO, errno.ESTALE, errno.ENOSPC, errno.EMFILE}
)
"""Errors of files that may be gone the next time."""


def is_passing(error: BaseException) -> bool:
    """Return True if the error is, or was raised while handling, an OSError that may be
    gone the next time."""
    earlier: BaseException | None = error
    while earlier is not None:
        if isinstance(earlier, OSError) and earlier.errno in _PASSING:
            return True
        earlier = earlier.__cause__ or earlier.__context__
    return False


def is_out_of_memory(error: BaseException) -> bool:
    """Return True if the same work would succeed with more memory."""
    if not _MEMORY_NAMES.isdisjoint(_class_names(error)):
        return True
    if isinstance(error, SystemError):
        return _has_any(error, _NUMBA_WORDS)
    return isinstance(error, RuntimeError) and _has_any(error, _MEMORY_WORDS)


def is_gpu_error(error: BaseException) -> bool:
    """Return True if the GPU has failed, other than by a lack of memory. After a sticky
    CUDA error every later call of the same process fails too."""
    if is_out_of_memory(error) or not isinstance(error, RuntimeError):
        return False
    is_of_class = not _GPU_NAMES.isdisjoint(_class_names(error))
    return is_of_class or _has_any(error, _GPU_WORDS)


def _class_names(error: BaseException) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def _has_any(error: BaseException, words: tuple[str, ...]) -> bool:
    message = str(error).lower()
    return any(word in message for word in words)
