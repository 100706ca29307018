"""Several pictures: an order for each, as if it came alone."""

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace

from worker.contract.cards import ModelCard
from worker.contract.events import RowDrawn
from worker.contract.jobs import JobSpec
from worker.orders.cutouts import CutoutOrder
from worker.orders.order import Material, Order

PART = "#"
"""Stands between a job's token and the number of a picture, in the token of that picture's order."""


@dataclass(frozen=True)
class SeveralOrder(Order):
    """The orders of a job's pictures, which have `samples` images each."""

    parts: tuple[Order, ...]
    samples: int
    chain: int = 1
    """Number of parts that follow each other, each after the end of the one before: the cut-outs of a picture."""


def of_each(
    spec: JobSpec,
    card: ModelCard,
    material: Material,
    build: Callable[[JobSpec, ModelCard, Material], Order],
) -> SeveralOrder:
    """An order by `build` for each picture. Raises what that raises, and ValueError for input of another length."""
    count, area = spec.options.picture_count, spec.height * spec.width
    n, size = spec.n // count, area * spec.channels
    if (
        spec.n != n * count
        or len(material.pixels) != count * size
        or len(material.keep) not in (0, count * area)
    ):
        raise ValueError(
            f"{spec.n} images of {count} pictures, in {len(material.pixels)} bytes"
        )
    rows: defaultdict[int, list[RowDrawn]] = defaultdict(list)
    for row in material.rows:
        rows[row.sample // n].append(row.model_copy(update={"sample": row.sample % n}))
    parts: list[Order] = []
    for i in range(count):
        claim = replace(
            material.claim, token=f"{material.claim.token}{PART}{i}", part=i
        )
        pixels, keep = (
            material.pixels[i * size : (i + 1) * size],
            material.keep[i * area : (i + 1) * area],
        )
        alone, own = _alone(spec, i, n), Material(claim, pixels, keep, rows[i])
        if places := spec.options.places:
            parts.append(
                CutoutOrder(
                    claim, spec.model, alone, card, own, build, places[i % len(places)]
                )
            )
        else:
            parts.append(build(alone, card, own))
    return SeveralOrder(
        material.claim, spec.model, tuple(parts), n, max(1, len(spec.options.places))
    )


def _alone(spec: JobSpec, i: int, n: int) -> JobSpec:
    """The job of one picture, which draws the same images of the seed."""
    first = (
        {"first": spec.first + i * n}
        if "first" in type(spec.options).model_fields
        else {}
    )
    without = {"pictures": 0, **({"cutouts": None} if spec.options.places else {})}
    options = spec.options.model_copy(update={**without, **first})
    return spec.model_copy(
        update={"n": n, "options": options, "priority": spec.effective_priority}
    )
