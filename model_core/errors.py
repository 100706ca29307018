"""Errors in what a person gave us. Everything else is a bug and raises what it raises."""

from pydantic import ValidationError


class PixelRNNError(Exception):
    """Base of all: its text is one sentence that says what was expected."""


class ConfigError(PixelRNNError):
    """A network description, preset or recipe that makes no sense."""


class ModelError(PixelRNNError):
    """A model that is not there, is damaged, or is not what its card says."""


class DataError(PixelRNNError):
    """A data set or an image that cannot be read, or has the wrong shape."""


def first_complaint(error: ValidationError) -> str:
    """The first thing that is wrong with a recipe, a card or a checkpoint, with its key, in one line."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {key!r}"
    words = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    return f"{key}: {words}" if key else words
