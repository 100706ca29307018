"""Several pictures: an order for each, as if it came alone."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

from worker.contract.cards import ModelCard
from worker.contract.events import RowDrawn
from worker.contract.jobs import JobSpec
from worker.contract.priorities import priority_of
from worker.orders.order import Material, Order

PART = "#"
"""Stands between a job's token and the number of a picture, in the token of that picture's order."""


@dataclass(frozen=True)
class SeveralOrder(Order):
    """The orders of a job's pictures, which have `samples` images each."""

    parts: tuple[Order, ...]
    samples: int


def of_each(
    spec: JobSpec, card: ModelCard, material: Material, build: Callable[[JobSpec, ModelCard, Material], Order]
) -> SeveralOrder:
    """An order by `build` for each picture. Raises what that raises, and ValueError for input of another length."""
    count, places = spec.options.picture_count, spec.height * spec.width
    n, size = spec.n // count, places * spec.channels
    if spec.n != n * count or len(material.pixels) != count * size or len(material.keep) not in (0, count * places):
        raise ValueError(f"{spec.n} images of {count} pictures, in {len(material.pixels)} bytes")
    rows: defaultdict[int, list[RowDrawn]] = defaultdict(list)
    for row in material.rows:
        rows[row.sample // n].append(row.model_copy(update={"sample": row.sample % n}))
    parts = []
    for i in range(count):
        claim = replace(material.claim, token=f"{material.claim.token}{PART}{i}", part=i)
        pixels, keep = material.pixels[i * size : (i + 1) * size], material.keep[i * places : (i + 1) * places]
        parts.append(build(_alone(spec, i, n), card, Material(claim, pixels, keep, rows[i])))
    return SeveralOrder(material.claim, spec.model, tuple(parts), n)


def _alone(spec: JobSpec, i: int, n: int) -> JobSpec:
    """The job of one picture, which draws the same images of the seed."""
    first = {"first": spec.first + i * n} if "first" in type(spec.options).model_fields else {}
    options = spec.options.model_copy(update={"pictures": 0, **first})
    return spec.model_copy(update={"n": n, "options": options, "priority": priority_of(spec)})
