"""Encoding: pictures that become a file."""

import torch

from model_core.codec.codec import encoding
from model_core.codec.container import Header
from model_core.errors import PixelRNNError
from model_core.models import Model
from worker.contract.kinds.encode import EncodeSummary
from worker.engine.stored import success
from worker.orders.claims import failed
from worker.orders.faults import not_encodable
from worker.orders.files import CodingSteps, FileOrder


def encode(order: FileOrder, model: Model) -> CodingSteps:
    """Encode the order's pictures (CodingSteps); the outcome has the file as `blob`.
    Pictures that cannot be encoded end the job as failed."""
    try:
        data = yield from encoding(
            model.given(order.label), torch.from_numpy(order.content)
        )
    except PixelRNNError as error:
        return failed(not_encodable(f"{error}"))
    header = Header.unpack(data)
    summary = EncodeSummary(
        pictures=header.images,
        bytes=len(data),
        bits_per_dim=8 * len(data) / order.content.size,
        member=header.member,
        digest=header.sha256,
        identity=header.identity,
    )
    return success(summary, blob=data)
