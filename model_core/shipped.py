"""Directories of what comes with the project (models, recipes, the engine, the page):
in this package if it is installed, otherwise in the checkout."""

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent
_INSTALLED = _PACKAGE / "_shipped"
IS_INSTALLED = _INSTALLED.is_dir()
"""True if this is an installed copy, False in a checkout."""
_PLACE = _INSTALLED if IS_INSTALLED else _PACKAGE.parent

MODELS = _PLACE / "models"
RECIPES = _PLACE / "configs"
ENGINE = _PLACE / "engine"
"""The JavaScript engine, and the compiled drawing loops that it runs."""
PAGE = (
    (_PACKAGE.parent / "pixelrnn" / "_parts" if IS_INSTALLED else _PLACE)
    / "app"
    / "playground"
)
"""The service's page, which an exported folder contains too."""
