"""Functions that do jobs which are not drawn in slots or by particles: one file for
each kind."""

from collections.abc import Callable, Iterator

from model_core.models import Model
from worker.engine.kinds.classify import classified
from worker.engine.kinds.decode import decoded
from worker.engine.kinds.encode import encoded
from worker.engine.kinds.score import scored
from worker.engine.kinds.verify import verified
from worker.orders.claims import Outcome
from worker.orders.files import CodingSteps, FileOrder

OF_PICTURES: dict[str, Callable[..., Outcome | Iterator[float | Outcome]]] = {
    "score": scored,
    "classify": classified,
    "verify": verified,
}
"""By `Kind.word`: what is called with a PictureOrder, the model, and the second model
of a job that asks one. worker/orders/pictures.py says what it returns."""

OF_FILES: dict[str, Callable[[FileOrder, Model], CodingSteps]] = {
    "encode": encoded,
    "decode": decoded,
}
"""By `Kind.word`: what is called with a FileOrder and the model."""
