"""Checkpoints: one safetensors file each, with the scalars as JSON in its header, never
pickle.

Tensors and scalars share a file, because renaming one file is atomic and renaming two
is not.
"""

import json
import os
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from safetensors import SafetensorError, safe_open
from torch import Tensor

from model_core.card import CardLabel
from model_core.config import NetworkConfig
from model_core.data.options import Resize
from model_core.errors import ConfigError, ModelError, first_complaint
from model_core.orientation import Orientation
from model_core.tensor_files import save_tensors
from model_core.training.state import TrainState

_FORMAT = "1"
"""Version of the format, in the header."""


class _Facts(BaseModel):
    """Fields that the readers of a checkpoint rely on. Defaults replace fields that
    earlier versions did not write; unknown fields are kept."""

    model_config = ConfigDict(extra="allow")


class _Training(_Facts):
    batch: int
    seed: int
    rule: str = "rmsprop"
    ema: float
    start: str = ""
    shares: int = 0


class _Data(_Facts):
    valid_images: int = 0
    resize: Resize = "lanczos"


class _Recipe(_Facts):
    training: _Training
    data: _Data


class _Run(_Facts):
    name: str
    network: dict[str, Any]
    recipe: _Recipe
    data: str
    state: TrainState
    command: str = ""
    hardware: str = ""
    orientation: Orientation = "none"
    train_images: int = 0
    valid_images: int = 0
    per_epoch: int = Field(ge=1)
    labels: list[CardLabel] = []


def write_checkpoint(
    path: Path, tensors: dict[str, Tensor], facts: dict[str, Any]
) -> None:
    """Replace a checkpoint atomically: after a crash the file is the old one or the new
    one, complete. The old one also stays if the new one cannot be written.

    tensors: by name.
    facts: everything else, JSON values.
    """
    draft = path.with_suffix(".draft")
    try:
        save_tensors(tensors, draft, {"format": _FORMAT, "facts": json.dumps(facts)})
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def read_checkpoint(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return the tensors of a checkpoint by name, and its other facts. Raises
    ModelError if the file is missing, damaged, or of another format."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from None
    return tensors, _parse_facts(path, header)


def read_facts(path: Path) -> dict[str, Any]:
    """Return the facts of a checkpoint without its tensors. Raises ModelError if the
    file is no checkpoint."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
    except (OSError, SafetensorError) as error:
        raise _unreadable(path, error) from None
    return _parse_facts(path, header)


def _unreadable(path: Path, error: Exception) -> ModelError:
    return ModelError(f"cannot read the checkpoint {path}: {error}")


def _parse_facts(path: Path, header: dict[str, str]) -> dict[str, Any]:
    if header.get("format") != _FORMAT:
        raise ModelError(f"{path} is not a training checkpoint of this version")
    try:
        run = _Run.model_validate(json.loads(header.get("facts", "")))
        NetworkConfig.from_dict(run.network)
    except ValidationError as error:
        raise ModelError(
            f"the checkpoint {path} is damaged: {first_complaint(error)}"
        ) from None
    except (ValueError, RecursionError, ConfigError) as error:
        raise ModelError(f"the checkpoint {path} is damaged: {error}") from None
    return run.model_dump()


def updates_an_epoch(facts: dict[str, Any]) -> int:
    """Return the number of updates after which the run of a checkpoint validates.

    facts: those of the checkpoint (`read_facts`).
    """
    return facts["recipe"]["training"].get("epoch_updates") or facts["per_epoch"]
