"""One file per checkpoint: safetensors, with the scalars as JSON in its header. Never pickle.

Tensors and scalars share a file because one rename is atomic and two are not.
"""

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from model_core.errors import ModelError

_FORMAT = "1"


def write_checkpoint(path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]) -> None:
    """Replace a checkpoint in one step: after a crash the file is the old one or the new one, whole."""
    draft = path.with_suffix(".draft")
    save_file({name: t.detach().cpu().contiguous() for name, t in tensors.items()}, draft, _header(facts))
    with draft.open("rb") as file:
        os.fsync(file.fileno())
    draft.replace(path)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors by name, and the scalars; ModelError when the file is missing, damaged, or of another format."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise ModelError(f"cannot read the checkpoint {path}: {error}") from None
    if header.get("format") != _FORMAT:
        raise ModelError(f"{path} is not a training checkpoint of this version")
    return tensors, json.loads(header["facts"])


def _header(facts: dict[str, Any]) -> dict[str, str]:
    return {"format": _FORMAT, "facts": json.dumps(facts)}
