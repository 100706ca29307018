"""New images."""

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.drawing import DrawOrder, draw_order
from worker.orders.images import any_member
from worker.orders.order import Material


def build(spec: JobSpec, card: ModelCard, material: Material) -> DrawOrder:
    """Nothing is given."""
    return draw_order(spec, card, material, None, any_member(card.members))
