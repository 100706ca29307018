"""A file whose pictures are a job's images."""

from model_core.codec.codec import decoding
from model_core.errors import PixelRNNError
from model_core.models import Model
from worker.orders.claims import SUCCEEDED, failed
from worker.orders.faults import not_decodable
from worker.orders.files import CodingSteps, FileOrder


def decoded(order: FileOrder, model: Model) -> CodingSteps:
    """Raises FloatingPointError when the network gives logits that are not finite."""
    try:
        for steps in decoding(model, order.content):
            images = yield from steps
            yield from images
    except PixelRNNError as error:
        return failed(not_decodable(error))
    return SUCCEEDED
