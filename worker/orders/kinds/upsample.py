"""Large images from a small one."""

from model_core.data.pixels import pixels_to_values
from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.drawing import DrawOrder, draw_order
from worker.orders.images import Given, any_member, picture
from worker.orders.order import Material


def build(spec: JobSpec, card: ModelCard, material: Material) -> DrawOrder:
    """The small image is given."""
    given = given_image(spec, card.values, material.pixels)
    drawer = any_member(card.members)
    return draw_order(spec, card, material, given, drawer, weighed=True)


def given_image(spec: JobSpec, values: int, pixels: bytes) -> Given:
    """The small image, as values. JobRefusedError when it does not fit."""
    return Given(
        small=pixels_to_values(
            picture(spec, pixels, spec.small_height, spec.small_width), values
        )
    )
