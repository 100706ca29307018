"""What can keep the one command from running."""

from model_core.errors import PixelRNNError


class StartError(PixelRNNError):
    """Something this machine lacks or has in use: a port, a directory, a server."""
