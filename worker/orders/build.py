"""Makes an order of a claimed job, by its kind. Plain values: no Redis, no queue."""

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.contract.kinds import KINDS
from worker.orders.faults import JobRefusedError, malformed_spec
from worker.orders.images import check_spec
from worker.orders.order import Material, Order, part


def build(spec: JobSpec, card: ModelCard, material: Material) -> Order:
    """The order for the engine. JobRefusedError when it cannot be done with this model, or makes no sense."""
    check_spec(spec, card)
    try:
        return part(KINDS[spec.kind].order)(spec, card, material)
    except (KeyError, ValueError, IndexError) as error:
        raise JobRefusedError(malformed_spec(f"The job's stored image or rows make no sense: {error}")) from error
