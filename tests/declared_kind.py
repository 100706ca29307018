"""A kind of job that is declared here alone: a picture in, one number out, and an option of its own."""

import sys
from typing import TYPE_CHECKING, Annotated

from pydantic import Field

from worker.contract.kind import Input, Kind, Shows, Summary
from worker.contract.kinds import KINDS
from worker.contract.options import Options, Since
from worker.contract.traits import JobSize

if TYPE_CHECKING:
    from model_core.models import Model
    from worker.orders.claims import Outcome
    from worker.orders.pictures import PictureOrder


class WeighOptions(Options):
    """How much does this picture weigh?"""

    in_bits: Annotated[bool, Since(5)] = Field(
        default=False, description="Bits, and not nats."
    )

    def work(self, job: JobSize) -> int:
        return job.width * job.channels


class WeighSummary(Summary):
    """What a picture weighs."""

    weight: float = Field(description="-ln p(image), or -log2 p(image).")


def weighed(order: "PictureOrder", model: "Model") -> "Outcome":
    """One pass."""
    from model_core.data.pixels import nearest_values
    from model_core.measures.picture_score import score_picture
    from worker.engine.stored import success

    values, _ = nearest_values(order.pixels, model.config.values)
    score = score_picture(model, values)
    options = order.job.options
    assert isinstance(options, WeighOptions)
    return success(
        WeighSummary(weight=float(score.bits.sum()) if options.in_bits else score.nats)
    )


WEIGH = Kind(
    "weigh",
    "weight",
    "How much a picture weighs.",
    Input.PICTURE,
    WeighOptions,
    shows=Shows.GIVEN,
    summary=WeighSummary,
)


def declare() -> None:
    """Add the kind to this process, which is started for it and has read nothing else:
    documents are made of all kinds when modules are read."""
    KINDS[WEIGH.word] = WEIGH
    # Each table only where it is read: the engine's imports torch.
    if "worker.start" in sys.orig_argv:
        from worker.orders import pictures
        from worker.orders.build import BUILDERS

        BUILDERS[WEIGH.word] = pictures.picture_order
    if "worker.engine.start" in sys.orig_argv:
        from worker.engine.kinds import OF_PICTURES

        OF_PICTURES[WEIGH.word] = weighed
