"""Functions that run jobs which are not drawn in slots or by particles, one file for
each kind.

Each raises FloatingPointError if a network returns numbers that are not finite.
"""

from collections.abc import Callable, Iterator

from model_core.models import Model
from worker.engine.kinds.classify import classify
from worker.engine.kinds.decode import decode
from worker.engine.kinds.encode import encode
from worker.engine.kinds.score import score
from worker.engine.kinds.verify import verify
from worker.orders.claims import Outcome
from worker.orders.files import CodingSteps, FileOrder

OF_PICTURES: dict[str, Callable[..., Outcome | Iterator[float | Outcome]]] = {
    "score": score,
    "classify": classify,
    "verify": verify,
}
"""The function of each kind, by `Kind.word`. It is called with a PictureOrder, the
model, and the second model of a job that asks one. worker/orders/pictures.py says what
it returns."""

OF_FILES: dict[str, Callable[[FileOrder, Model], CodingSteps]] = {
    "encode": encode,
    "decode": decode,
}
"""The function of each kind, by `Kind.word`. It is called with a FileOrder and the
model."""
