"""Orders for jobs of several pictures: one order for each, as if it had been submitted
alone."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from worker.contract.cards import ModelCard
from worker.contract.events import RowDrawn
from worker.contract.jobs import JobSpec
from worker.orders.cutouts import CutoutOrder
from worker.orders.order import Material, Order

PART = "#"
"""Separates a job's token from the index of a picture, in the token of that picture's
order."""


@dataclass(frozen=True)
class SeveralOrder(Order):
    """The orders of a job's pictures."""

    parts: tuple[Order, ...]
    """An order for each picture, or for each cut-out of each picture."""
    samples: int
    """Number of images of each part."""
    chain: int = 1
    """Number of cut-outs of a picture, which are consecutive parts: each begins after
    the end of the one before. 1 for whole pictures."""


def of_each(
    spec: JobSpec,
    card: ModelCard,
    material: Material,
    build: Callable[[JobSpec, ModelCard, Material], Order],
) -> SeveralOrder:
    """Return an order that contains, for each picture, the order that `build` makes
    from its part of the input and rows. For a picture with cut-outs it contains a
    CutoutOrder for each of them.

    Raises ValueError if the input has another length than the pictures need.
    """
    count = spec.options.picture_count
    n = spec.n // count
    area = spec.height * spec.width
    size = area * spec.channels
    is_divisible = spec.n == n * count
    has_pixels = len(material.pixels) == count * size
    has_mask = len(material.keep) in (0, count * area)
    if not (is_divisible and has_pixels and has_mask):
        raise ValueError(
            f"{spec.n} images of {count} pictures, in {len(material.pixels)} bytes"
        )
    rows: defaultdict[int, list[RowDrawn]] = defaultdict(list)
    for row in material.rows:
        rows[row.sample // n].append(row.model_copy(update={"sample": row.sample % n}))
    places = spec.options.places
    parts: list[Order] = []
    for i in range(count):
        claim = replace(
            material.claim, token=f"{material.claim.token}{PART}{i}", part=i
        )
        pixels = material.pixels[i * size : (i + 1) * size]
        keep = material.keep[i * area : (i + 1) * area]
        alone = _alone(spec, i, n)
        own = Material(claim, pixels, keep, rows[i])
        if places:
            place = places[i % len(places)]
            parts.append(CutoutOrder(claim, spec.model, alone, card, own, build, place))
        else:
            parts.append(build(alone, card, own))
    chain = max(1, len(places))
    return SeveralOrder(material.claim, spec.model, tuple(parts), n, chain)


def _alone(spec: JobSpec, i: int, n: int) -> JobSpec:
    """Return the job of one picture, which draws the same images of the seed as in the
    whole job."""
    changed: dict[str, Any] = {"pictures": 0}
    if spec.options.places:
        changed["cutouts"] = None
    if "first" in type(spec.options).model_fields:
        changed["first"] = spec.first + i * n
    options = spec.options.model_copy(update=changed)
    # The priority follows from the number of images, which is smaller now.
    priority = spec.effective_priority
    return spec.model_copy(update={"n": n, "options": options, "priority": priority})
