"""How good the images of a completion are: numbers, and one word that sums them up."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from model_core.elementary import deviation, log_mean
from model_core.orientation import Orientation
from model_core.posterior.accepting import Accepting

Quality = Literal["exact", "good", "rough", "poor"]
"""exact: draws from the model's posterior. good: the chains of each image agree, and
enough of their first particles had weight. rough: not quite. poor: do not rely on them;
more sweeps and particles may help. docs/completion.md measures what the words are
worth."""
GOOD_APART, ROUGH_APART = 25.0, 50.0
"""Nats. Two images of one posterior hardly ever differ by more than the first
number."""
GOOD_SD = 5.0
"""Nats: maximum standard deviation of the chains' estimates of p(given)."""
GOOD_ESS = 2.5
"""Minimum effective sample size: fewer first particles may all have missed what is
likely, and agree on it."""
MANY_VALUES, LEAST_ESS = 16, 1.5
"""If a variable has at least MANY_VALUES values, windows hardly repair what first
particles with a smaller effective sample size have missed, and chains may agree on
it."""


@dataclass(frozen=True)
class Receipt:
    """How good the images of a completion are. Nats are -ln p at the temperature of the
    completion."""

    exact: bool
    """True if each image is an exact draw from the model's own p(hole | all given
    pixels). A draw of one member of a mixture is not, because that member's posterior
    is another distribution."""
    member: Orientation
    """Orientation of the member that drew the last image, or made its last move."""
    quality: Quality | None = None
    """The worst of `qualities`; None for the method clamp."""
    qualities: tuple[Quality, ...] | None = None
    """The word for each image, which does not depend on the others; None for the method
    clamp."""
    particles: int = 0
    """Maximum number of first particles of an image, which is more than was requested
    if they began again; 0 if none were needed."""
    ess: float | None = None
    """The smallest effective sample size that the first particles of any image had on
    the way."""
    distinct: int | None = None
    """Number of first particles from which an image's last ones descend: the smallest
    over the images."""
    evidence_nats: float | None = None
    """Estimated -ln p(given) under the model, but never more than -ln p of a completed
    image, which bounds it from above."""
    evidence_sd: float | None = None
    """Standard deviation of such an estimate in nats: of those of the chains, or as the
    weights of a pool have it."""
    nats: tuple[float, ...] | None = None
    """-ln p of each completed image under the whole model; None for the method
    clamp."""
    apart_nats: float | None = None
    """Difference of the nats of the last images of an image's two chains, which began
    independently: the largest over the images. None if there were no chains."""
    label: int | None = None
    """Index of the label of the last image, in a model with labels."""

    @property
    def of_no_image(self) -> "Receipt":
        """The same receipt for a caller who requested only the marginals: nats and
        qualities are empty, and label is None; everything else stays."""
        return replace(self, nats=(), qualities=(), label=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt as a dictionary for JSON; without `label` if that is
        None."""
        facts = asdict(self)
        if self.label is None:
            del facts["label"]
        return facts


@dataclass(frozen=True)
class Island:
    """What is known of one image and of the chains that drew it."""

    member: Orientation
    """Orientation of the member that made the last move."""
    label: int | None
    """Index of the image's label, or None."""
    nats: float
    """-ln p of the image."""
    chains_nats: Sequence[float]
    """-ln p of the last image of each chain."""
    log_evidence: Sequence[float]
    """ln of the estimate of p(given) from the beginning of each chain."""
    log_evidence_above: float
    """ln of an estimate with the image among the particles (Chain.look_back)."""
    ess: float
    """Effective sample size of the first particles."""
    distinct: int
    """Number of first particles from which the last ones descend."""
    particles: int
    """Sum over the chains of the particles of each member that began them."""
    nats_at_one: float | None = None
    """-ln p of the image at temperature 1. Default: `nats`."""

    @property
    def apart_nats(self) -> float:
        """Difference between the largest and the smallest nats of the chains' last
        images."""
        return max(self.chains_nats) - min(self.chains_nats)


def receipt_of(
    islands: Sequence[Island], strange_nats: float | None, values: int = 2
) -> Receipt:
    """Return the receipt of all images of a completion by chains.

    islands: the facts of each image, at least one.
    strange_nats: 99 % of the model's validation images have fewer nats at temperature
        1; None if that is unknown. It and `values` decide on the qualities alone.
    values: V of the model.
    """
    evidence = np.array([each for island in islands for each in island.log_evidence])
    nats = [each for island in islands for each in island.chains_nats]
    qualities: tuple[Quality, ...] = tuple(
        quality_of(island, strange_nats, values) for island in islands
    )
    return Receipt(
        exact=False,
        member=islands[-1].member,
        label=islands[-1].label,
        quality=worst_of(qualities),
        qualities=qualities,
        particles=max(island.particles for island in islands),
        ess=min(island.ess for island in islands),
        distinct=min(island.distinct for island in islands),
        evidence_nats=min(-log_mean(evidence), *nats),
        evidence_sd=deviation(
            np.append(evidence, [island.log_evidence_above for island in islands])
        ),
        nats=tuple(island.nats for island in islands),
        apart_nats=max(island.apart_nats for island in islands),
    )


def accepted_receipt(
    drawn: Accepting,
    member: Orientation,
    nats_at_one: Sequence[float],
    strange_nats: float | None,
) -> Receipt:
    """Return the receipt of images that were drawn without a chain; at least one.

    drawn: what drew them.
    member: orientation of the member that drew them.
    nats_at_one: nats of each image at temperature 1.
    strange_nats: as for receipt_of.
    """
    qualities: tuple[Quality, ...] = tuple(
        "poor" if is_strange(nats, strange_nats) else "good" for nats in nats_at_one
    )
    return Receipt(
        exact=False,
        member=member,
        quality=worst_of(qualities),
        qualities=qualities,
        particles=drawn.size,
        ess=drawn.ess,
        distinct=drawn.size,
        evidence_nats=min(-drawn.log_evidence, *drawn.nats),
        evidence_sd=drawn.evidence_sd,
        nats=tuple(drawn.nats),
    )


def quality_of(island: Island, strange_nats: float | None, values: int) -> Quality:
    """Return the word for one image that chains drew: never `exact`. Other images do
    not influence it. strange_nats, values: as for receipt_of."""
    apart = island.apart_nats
    nats = island.nats if island.nats_at_one is None else island.nats_at_one
    is_missed = values >= MANY_VALUES and island.ess < LEAST_ESS
    is_apart = strange_nats is None and apart > ROUGH_APART
    if is_strange(nats, strange_nats) or is_apart or is_missed:
        return "poor"
    evidence_sd = deviation(np.array(island.log_evidence))
    return (
        "good"
        if apart <= GOOD_APART and evidence_sd <= GOOD_SD and island.ess >= GOOD_ESS
        else "rough"
    )


def is_strange(nats_at_one: float, strange_nats: float | None) -> bool:
    """Return True if an image has more nats at temperature 1 than 99 % of the model's
    validation images; False if theirs are unknown."""
    return strange_nats is not None and nats_at_one > strange_nats


def worst_of(words: Iterable[Quality]) -> Quality:
    """Return the worst of several words; at least one."""
    return max(words, key=get_args(Quality).index)
