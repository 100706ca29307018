"""Makes the order for the engine process from a claimed job, by its kind. It uses no
Redis and no queue."""

from collections.abc import Callable

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.completion import complete_order
from worker.orders.drawing import sample_order, upsample_order
from worker.orders.faults import JobRefusedError, malformed_spec
from worker.orders.files import decode_order, encode_order
from worker.orders.images import check_spec
from worker.orders.order import Material, Order
from worker.orders.pictures import picture_order, score_order
from worker.orders.several import of_each

Build = Callable[[JobSpec, ModelCard, Material], Order]
"""Raises JobRefusedError, KeyError, ValueError or IndexError for a job that makes no
sense."""

BUILDERS: dict[str, Build] = {
    "sample": sample_order,
    "complete": complete_order,
    "upsample": upsample_order,
    "score": score_order,
    "classify": picture_order,
    "verify": picture_order,
    "encode": encode_order,
    "decode": decode_order,
}
"""The builder of each kind's orders, by `Kind.word`. Kinds that ask no model have none.
"""


def build(spec: JobSpec, card: ModelCard, material: Material) -> Order:
    """Return the order for a claimed job.

    card: of the model that it was accepted for.

    Raises JobRefusedError if the model cannot do the job, or if the stored input or
    rows do not fit the description.
    """
    check_spec(spec, card)
    build_one = BUILDERS[spec.kind]
    try:
        if spec.options.is_of_several:
            return of_each(spec, card, material, build_one)
        return build_one(spec, card, material)
    except (KeyError, ValueError, IndexError) as error:
        raise JobRefusedError(
            malformed_spec(f"The job's stored image or rows are invalid: {error}")
        ) from error
