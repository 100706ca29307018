"""Directories of models, and the models' names; knows no torch, so that listing them is quick."""

import os
import re
from pathlib import Path

from model_core import shipped
from model_core.errors import ConfigError, ModelError

WEIGHTS, CARD = "weights.safetensors", "card.json"
GUIDES = "guides"
"""The folder, in a model's directory, of the weights of its guides."""
RECORDS = "records"
"""The folder, in a directory of models, of weights that only prove a line of docs/results.md. They are not served."""
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")


def default_models_dir() -> Path:
    """PIXELRNN_MODELS_DIR, else that of the models that come with the project."""
    return Path(os.environ.get("PIXELRNN_MODELS_DIR") or shipped.MODELS)


def own_models_dir() -> Path:
    """Directory for new models when none is named. Raises ConfigError if that would be in an installed package."""
    directory = default_models_dir()
    if shipped.IS_INSTALLED and directory == shipped.MODELS:
        raise ConfigError(
            "name a directory for your own models: --models-dir, or PIXELRNN_MODELS_DIR"
        )
    return directory


def check_name(name: str) -> None:
    """ConfigError unless a model of this name can be served."""
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} cannot be a model's name: expected at most 64 of a-z 0-9 . _ -, with a letter or digit first"
        )


def models_in(models_dir: Path | None = None) -> tuple[Path, list[str]]:
    """A directory of models that a person named, and their names; ModelError when it is not there."""
    directory = models_dir or default_models_dir()
    if not directory.is_dir():
        raise ModelError(f"there is no directory {directory}")
    return directory, model_names(directory)


def model_names(models_dir: Path | None = None) -> list[str]:
    """The models in a directory, sorted; names that could not be served are left out."""
    directory = models_dir or default_models_dir()
    return [card.parent.name for card in cards_in(directory)]


def weights_in(directory: Path) -> list[Path]:
    """The files of weights in a model's directory, those of its guides too."""
    return sorted(
        [*directory.glob("*.safetensors"), *directory.glob(f"{GUIDES}/*.safetensors")]
    )


def cards_in(directory: Path) -> list[Path]:
    """The cards of the models in a directory, in the order of their names."""
    return sorted(
        card
        for card in directory.glob(f"*/{CARD}")
        if _NAME.fullmatch(card.parent.name)
    )
