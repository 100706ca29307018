"""New images."""

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.drawing import DrawOrder, draw_order
from worker.orders.images import UPRIGHT, any_member
from worker.orders.order import Material


def build(spec: JobSpec, card: ModelCard, material: Material) -> DrawOrder:
    """Nothing is given. Upright members alone draw a field."""
    return draw_order(
        spec,
        card,
        material,
        None,
        UPRIGHT if spec.options.is_field else any_member(card.members),
        weighed=True,
    )
