"""Explain a lack of memory in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from model_core.errors import PixelRNNError
from model_core.training.files import RunPaths
from model_core.training.recipe import TrainingSection

# A failed allocation on a CPU is a plain RuntimeError whose message has one of these.
_CPU_WORDS = ("can't allocate memory", "not enough memory")


class OutOfMemoryError(PixelRNNError):
    """The recipe needs more memory than the device has; the last checkpoint is still
    good."""


@contextmanager
def explained_memory(training: TrainingSection, directory: Path) -> Iterator[None]:
    """Context manager that turns an error of a lack of memory, on a CPU or a GPU, into
    an OutOfMemoryError that says what to change. Other exceptions are not changed.

    training: of the run's recipe.
    directory: the run's.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        images = training.micro_batch or training.batch
        change = "take a smaller network"
        if images > 1:
            change = (
                f"set training.micro_batch below {images}, which changes only the speed"
            )
        way_on = RunPaths(directory).way_on(change)
        raise OutOfMemoryError(
            f"out of memory on {training.device} with {images} "
            f"image{'s' if images > 1 else ''} at once: {way_on}"
        ) from error


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error) for words in _CPU_WORDS)
