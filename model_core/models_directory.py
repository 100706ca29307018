"""Directories of models, and the models' names. This file does not import torch, so
that listing models is fast."""

import os
import re
from pathlib import Path

from model_core import shipped
from model_core.errors import ConfigError, ModelError

WEIGHTS, CARD = "weights.safetensors", "card.json"
GUIDES = "guides"
"""Folder in a model's directory with the weights of its guides."""
RECORDS = "records"
"""Folder in a models directory with models that only prove a line of docs/results.md.
They are not served."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def default_models_dir() -> Path:
    """Return PIXELRNN_MODELS_DIR; if it is not set, the directory of the shipped
    models."""
    return Path(os.environ.get("PIXELRNN_MODELS_DIR") or shipped.MODELS)


def own_models_dir() -> Path:
    """Return the directory for new models if the user named none. Raise ConfigError if
    that would be inside the installed package."""
    directory = default_models_dir()
    if shipped.IS_INSTALLED and directory == shipped.MODELS:
        raise ConfigError(
            "name a directory for your own models: --models-dir, or PIXELRNN_MODELS_DIR"
        )
    return directory


def check_name(name: str) -> None:
    """Raise ConfigError if the name is not allowed for a model."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be a model's name: expected at most 64 of a-z 0-9 . _ -, "
            "with a letter or digit first"
        )


def models_in(models_dir: Path | None = None) -> tuple[Path, list[str]]:
    """Return a directory of models (default: `default_models_dir()`) and the sorted
    names of the models in it. Raise ModelError if it does not exist."""
    directory = models_dir or default_models_dir()
    if not directory.is_dir():
        raise ModelError(f"there is no directory {directory}")
    return directory, model_names(directory)


def model_names(models_dir: Path | None = None) -> list[str]:
    """Return the sorted names of the models in a directory (default:
    `default_models_dir()`): its subdirectories that contain a card.json and whose names
    are allowed for a model. The cards are not read."""
    directory = models_dir or default_models_dir()
    return [card.parent.name for card in cards_in(directory)]


def weights_in(directory: Path) -> list[Path]:
    """Return the sorted files of weights in a model's directory, including those of its
    guides."""
    return sorted(
        [*directory.glob("*.safetensors"), *directory.glob(f"{GUIDES}/*.safetensors")]
    )


def cards_in(directory: Path) -> list[Path]:
    """Return the path of the card.json of each model in a directory, sorted by the
    models' names."""
    return sorted(
        card
        for card in directory.glob(f"*/{CARD}")
        if _NAME.fullmatch(card.parent.name)
    )
