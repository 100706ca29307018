"""Running out of memory, said in one sentence."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from model_core.errors import PixelRNNError
from model_core.training.files import RunPaths
from model_core.training.recipe import TrainingSection

# A CPU allocation that fails is a plain RuntimeError; these are its allocators' words.
_CPU_WORDS = ("can't allocate memory", "not enough memory")


class OutOfMemoryError(PixelRNNError):
    """The recipe needs more memory than the device has; the last checkpoint is still good."""


@contextmanager
def explained_memory(training: TrainingSection, directory: Path) -> Iterator[None]:
    """Turn every way of running out of memory into an OutOfMemoryError that says what to change."""
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if not _is_out_of_memory(error):
            raise
        images = training.micro_batch or training.batch
        way_on = RunPaths(directory).way_on(
            f"set training.micro_batch below {images}, which changes only the speed"
            if images > 1
            else "take a smaller network"
        )
        raise OutOfMemoryError(
            f"out of memory on {training.device} with {images} image{'s' if images > 1 else ''} at once: {way_on}"
        ) from error


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    return any(words in str(error) for words in _CPU_WORDS)
