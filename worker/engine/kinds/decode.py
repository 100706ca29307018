"""Decoding: a file whose pictures are the job's images."""

from model_core.codec.codec import decoding
from model_core.errors import PixelRNNError
from model_core.models import Model
from worker.orders.claims import SUCCEEDED, failed
from worker.orders.faults import not_decodable
from worker.orders.files import CodingSteps, FileOrder


def decode(order: FileOrder, model: Model) -> CodingSteps:
    """Decode the order's file (CodingSteps). A file that this model or machine cannot
    decode ends the job as failed."""
    try:
        for steps in decoding(model, order.content):
            images = yield from steps
            yield from images
    except PixelRNNError as error:
        return failed(not_decodable(error))
    return SUCCEEDED
