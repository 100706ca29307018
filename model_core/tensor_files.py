"""Writing safetensors files. A disk that is full is an OSError here, as everywhere else."""

import os
import re
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def save_tensors(
    tensors: dict[str, Tensor], path: Path, header: dict[str, str] | None = None
) -> None:
    """Write tensors by name, from any device; OSError when the file cannot be written."""
    whole = {
        name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()
    }
    try:
        save_file(whole, path, header)
    except SafetensorError as error:
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None
