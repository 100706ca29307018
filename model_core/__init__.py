"""PixelRNN and PixelCNN: networks, exact likelihood, exact sampling, training. This
package knows nothing of HTTP, queues or jobs.

values   integer tensor (B, C, H, W) in 0..V-1
logits   (B, V, C, H, W); `network(values) -> logits` is the teacher-forced pass,
         the reference for everything else

    >>> import model_core
    >>> model = model_core.load_model("mnist-diagonal-bilstm")
    >>> images = model_core.sample(model, n=4, seed=7)              # (4, 1, 28, 28)
    >>> nats = -model_core.log_likelihood(model, images)            # (4,)
    >>> # A field of 60 rows and 100 columns, drawn in windows: (1, 1, 60, 100)
    >>> field = model_core.sample(model, n=1, seed=7, size=(100, 60))
    >>> # known (1, 28, 28); keep (28, 28) is True for the given pixels
    >>> done = model_core.complete(model, known, keep, n=4, seed=7)
    >>> code = model_core.encode(model, images)
    >>> assert (model_core.decode(model, code) == images).all()

Names are imported when they are first used, so that `pixelrnn --help` does not import
torch.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from model_core.codec.codec import decode, encode
    from model_core.measures.likelihood import log_likelihood
    from model_core.models import Model, load_model, save_model, untrained
    from model_core.models_directory import model_names
    from model_core.networks import build_network
    from model_core.posterior.classify import Classification, classify
    from model_core.posterior.completion import Completion, complete
    from model_core.sampling import sample, upsample

# Public name -> the module of this package that defines it.
_HOMES = {
    "Classification": "posterior.classify",
    "Completion": "posterior.completion",
    "Model": "models",
    "build_network": "networks",
    "classify": "posterior.classify",
    "complete": "posterior.completion",
    "decode": "codec.codec",
    "encode": "codec.codec",
    "load_model": "models",
    "log_likelihood": "measures.likelihood",
    "model_names": "models_directory",
    "sample": "sampling",
    "save_model": "models",
    "untrained": "models",
    "upsample": "sampling",
}

__all__ = [
    "Classification",
    "Completion",
    "Model",
    "build_network",
    "classify",
    "complete",
    "decode",
    "encode",
    "load_model",
    "log_likelihood",
    "model_names",
    "sample",
    "save_model",
    "untrained",
    "upsample",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'model_core' has no attribute {name!r}")
    return getattr(import_module(f"model_core.{_HOMES[name]}"), name)
