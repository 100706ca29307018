"""What can be wrong with what a person gave us. Everything else is a bug and raises what it raises."""


class PixelRNNError(Exception):
    """Base of all: its text is one sentence that says what was expected."""


class ConfigError(PixelRNNError):
    """A network description, preset or recipe that makes no sense."""


class ModelError(PixelRNNError):
    """A model that is not there, is damaged, or is not what its card says."""


class DataError(PixelRNNError):
    """A data set or an image that cannot be read, or has the wrong shape."""
