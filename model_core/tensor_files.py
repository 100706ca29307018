"""Write safetensors files, with an OSError if the disk is full, as for any other
file."""

import os
import re
from pathlib import Path

from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor


def save_tensors(
    tensors: dict[str, Tensor], path: Path, header: dict[str, str] | None = None
) -> None:
    """Write tensors from any device to a safetensors file, by name. Raise OSError if
    the file cannot be written.

    header: texts for the file's metadata.
    """
    whole = {
        name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()
    }
    try:
        save_file(whole, path, header)
    except SafetensorError as error:
        # safetensors reports errors of the system as text only.
        number = re.search(r"os error (\d+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1])), str(path)) from None
