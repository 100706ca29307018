"""Orders for large images from a small one."""

from model_core.data.pixels import pixels_to_values
from worker.contract.cards import ModelCard
from worker.contract.jobs import JobSpec
from worker.orders.drawing import DrawOrder, draw_order
from worker.orders.images import GivenImage, any_member, picture
from worker.orders.order import Material


def build(spec: JobSpec, card: ModelCard, material: Material) -> DrawOrder:
    """Return the order for upsampling. Raises JobRefusedError if the small image has
    another size, and ValueError if the model does not have the label."""
    given = given_image(spec, card.values, material.pixels)
    drawer = any_member(card.members)
    return draw_order(spec, card, material, given, drawer, weighed=True)


def given_image(spec: JobSpec, values: int, pixels: bytes) -> GivenImage:
    """Return the small image as values. Raises JobRefusedError if it has another size
    than the job's small image."""
    return GivenImage(
        small=pixels_to_values(
            picture(spec, pixels, spec.small_height, spec.small_width), values
        )
    )
