"""Directories of the models and recipes that come with the project: in this package when installed, else in the
checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_shipped"
IS_INSTALLED = _INSTALLED.is_dir()
_PLACE = _INSTALLED if IS_INSTALLED else _PACKAGE.parent

MODELS = _PLACE / "models"
RECIPES = _PLACE / "configs"
ENGINE = _PLACE / "engine"
"""The engine in JavaScript, and the drawing loops that it runs."""
PAGE = (
    (_PACKAGE.parent / "pixelrnn" / "_parts" if IS_INSTALLED else _PLACE)
    / "app"
    / "playground"
)
"""The service's page, which an exported folder has, too."""
