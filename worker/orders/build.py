"""How a claimed job becomes an order, by its kind. Plain values: no Redis, no queue."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from worker.contract.cards import ModelCard
from worker.contract.events import RowDrawn
from worker.contract.jobs import JobSpec
from worker.contract.kinds import JobKind
from worker.orders.claims import Claim
from worker.orders.faults import JobRefusedError, malformed_spec
from worker.orders.images import check_spec, drawn_images, given_image, plan_images, scored_values
from worker.orders.orders import DrawOrder, Order, ScoreOrder
from worker.orders.priorities import priority_of


@dataclass(frozen=True)
class Material:
    """What is kept of a job beside its description: its input as in `keys.image`, and the rows that are published."""

    claim: Claim
    pixels: bytes
    keep: bytes
    rows: Sequence[RowDrawn]


def build(spec: JobSpec, card: ModelCard, material: Material) -> Order:
    """What the engine shall do. JobRefusedError when it cannot be done with this model, or makes no sense."""
    check_spec(spec, card)
    try:
        return _BUILDERS[spec.kind](spec, card, material)
    except (KeyError, ValueError, IndexError) as error:
        raise JobRefusedError(malformed_spec(f"The job's stored image or rows make no sense: {error}")) from error


def _draw(spec: JobSpec, card: ModelCard, material: Material) -> DrawOrder:
    """The images that still lack rows."""
    given = given_image(spec, card.values, material.pixels, material.keep)
    images = plan_images(spec, card.values, given, material.rows)
    drawn = drawn_images(spec, card.values, material.rows) if spec.rank else None
    return DrawOrder(material.claim, spec.model, card.values, images, priority_of(spec), drawn)


def _score(spec: JobSpec, card: ModelCard, material: Material) -> ScoreOrder:
    """One picture, and perhaps one pixel of it."""
    return ScoreOrder(material.claim, spec.model, *scored_values(spec, card.values, material.pixels), spec.pixel)


_BUILDERS: Mapping[JobKind, Callable[[JobSpec, ModelCard, Material], Order]] = {
    JobKind.SAMPLE: _draw,
    JobKind.COMPLETE: _draw,
    JobKind.UPSAMPLE: _draw,
    JobKind.SCORE: _score,
}
