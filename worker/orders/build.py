"""Makes an order of a claimed job, by its kind. Plain values: no Redis, no queue."""

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.contract.kinds import KINDS
from worker.orders.faults import JobRefusedError, malformed_spec
from worker.orders.images import check_spec
from worker.orders.order import Material, Order, part
from worker.orders.several import of_each


def build(spec: JobSpec, card: ModelCard, material: Material) -> Order:
    """The order for the engine. JobRefusedError when it cannot be done with this model, or makes no sense."""
    check_spec(spec, card)
    build_one = part(KINDS[spec.kind].order)
    try:
        if spec.options.is_of_several:
            return of_each(spec, card, material, build_one)
        return build_one(spec, card, material)
    except (KeyError, ValueError, IndexError) as error:
        raise JobRefusedError(
            malformed_spec(f"The job's stored image or rows make no sense: {error}")
        ) from error
