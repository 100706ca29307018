"""Orders for new images."""

from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.drawing import DrawOrder, draw_order
from worker.orders.images import UPRIGHT, any_member
from worker.orders.order import Material


def build(spec: JobSpec, card: ModelCard, material: Material) -> DrawOrder:
    """Return the order for new images: the noise of each chooses the member that draws
    it, except that fields are drawn by upright members only.

    Raises ValueError if the model does not have a requested label.
    """
    # Only upright members draw fields, so rows become final from the top down.
    drawer = UPRIGHT if spec.options.is_field else any_member(card.members)
    return draw_order(spec, card, material, None, drawer, weighed=True)
