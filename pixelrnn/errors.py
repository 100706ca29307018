"""The error of `pixelrnn up` if it cannot start."""

from model_core.errors import PixelRNNError


class StartError(PixelRNNError):
    """Something is missing or in use on this machine: a port, a directory, a server."""
