"""Errors in what a person supplied. Any other exception is a bug in the program.

PixelRNNError
  ConfigError   a network description, preset or recipe
  ModelError    a model's files
  DataError     a data set or an image
"""

from pydantic import ValidationError


class PixelRNNError(Exception):
    """Base class. The message is one sentence that says what was wrong and what was
    expected."""


class ConfigError(PixelRNNError):
    """A network description, preset, recipe or option is invalid."""


class ModelError(PixelRNNError):
    """A model does not exist, is damaged, or does not match its card."""


class DataError(PixelRNNError):
    """A data set or an image cannot be read, or has the wrong shape."""


def first_complaint(error: ValidationError) -> str:
    """Return the first error of a validation in one line, with the key that it
    concerns."""
    first = error.errors()[0]
    key = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        return f"unknown key {key!r}"
    words = f"{first['msg'][0].lower()}{first['msg'][1:]}"
    return f"{key}: {words}" if key else words
