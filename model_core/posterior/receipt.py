"""How good the images of a completion are: numbers, and one word that sums them up."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from model_core.elementary import deviation, log_mean
from model_core.orientation import Orientation
from model_core.posterior.accepting import Accepting

Quality = Literal["exact", "good", "rough", "poor"]
"""Words for how good an image is, the best one first. exact: draws from the model's
posterior. good: the chains of each image agree, and enough of their first particles had
weight. rough: not quite. poor: do not rely on them; more sweeps and particles may help.
docs/internals/posterior.md measures what the words are worth."""
GOOD_APART = 25.0
"""Nats. Two images of one posterior hardly ever differ by more."""
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
    """How good the images of a completion are. Fields that do not apply are None. Nats
    are -ln p at the temperature of the completion.

    Images are drawn exactly (by one draw, or a choice among all fillings of the hole),
    by two chains, or by rejection (docs/completion.md). A chain begins with particles:
    unfinished images with weights, which each proposer, a member or a guide, draws side
    by side. Rejection chooses from a pool of draws of one member. The method clamp sets
    only `exact` and `member`.
    """

    exact: bool
    """True if each image is an exact draw from the model's own p(hole | all given
    pixels)."""
    member: Orientation
    """Orientation of the member that drew the last image; of a choice among all
    fillings, the member under which it is likeliest."""
    quality: Quality | None = None
    """The worst of `qualities`, and of an image that was drawn only for the
    marginals."""
    qualities: tuple[Quality, ...] | None = None
    """`exact`, `good`, `rough` or `poor` for each image, which does not depend on the
    other images."""
    particles: int = 0
    """Particles per proposer, summed over both chains, of the image with most; they may
    exceed what was requested. By rejection: size of the pool. 0 if exact."""
    ess: float | None = None
    """Effective sample size of the first particles (how many equally weighted ones are
    worth as much), the smallest of any image. By rejection: that of the pool."""
    distinct: int | None = None
    """By chains: number of first particles from which a proposer's last ones descend,
    the smallest of any image. By rejection: size of the pool."""
    evidence_nats: float | None = None
    """-ln p(given pixels) under the whole model: computed if `exact`, else estimated.
    It is never more than -ln p of a drawn image, which bounds it from above."""
    evidence_sd: float | None = None
    """Standard deviation of that estimate, in nats; by chains it tends to be too
    large."""
    nats: tuple[float, ...] | None = None
    """-ln p of each completed image under the whole model, given pixels included."""
    apart_nats: float | None = None
    """Difference of the nats of the last images of an image's two chains, the largest
    of any image."""
    label: int | None = None
    """Index of the label of the last image, in a model with labels: the one with which
    it was drawn, or under which it is likeliest."""

    @property
    def of_no_image(self) -> "Receipt":
        """The same receipt for a caller who requested only the marginals: nats and
        qualities are empty, and label is None; everything else stays."""
        return replace(self, nats=(), qualities=(), label=None)

    def to_dict(self) -> dict[str, Any]:
        """Return the receipt as a dictionary for JSON, by field; without `label` if
        that is None."""
        facts = asdict(self)
        if self.label is None:
            del facts["label"]
        return facts


@dataclass(frozen=True)
class Island:
    """What is known of one image and of the chains that drew it. `IslandsRun` makes it;
    `receipt_of` sums up those of all images. Nats and estimates are at the temperature
    of the completion."""

    member: Orientation
    """Orientation of the member of the component that the image's chain held last."""
    label: int | None
    """Index of that component's label; None if it has none."""
    nats: float
    """-ln p of the image under the whole model."""
    chains_nats: Sequence[float]
    """-ln p of the last image of each chain, at least two; one of them is the image."""
    log_evidence: Sequence[float]
    """ln of the estimate of p(given pixels) from the first particles of each chain; as
    many as chains."""
    log_evidence_above: float
    """ln of an estimate of p(given pixels) with the image among the particles, so that
    it is expected to be too large (`Chain.look_back`)."""
    ess: float
    """Effective sample size of the first particles (see `Receipt.ess`)."""
    distinct: int
    """Number of first particles from which a proposer's last ones descend: the smallest
    over proposers and chains."""
    particles: int
    """Sum over the chains of the number of particles with which each proposer (not all
    proposers together) began them."""
    nats_at_one: float | None = None
    """-ln p of the image at temperature 1. It is computed only if the model's
    strange_nats is known, and otherwise equals `nats`. None counts as `nats`."""

    @property
    def apart_nats(self) -> float:
        """Difference between the largest and the smallest nats of the chains' last
        images."""
        return max(self.chains_nats) - min(self.chains_nats)


def receipt_of(
    islands: Sequence[Island],
    strange_nats: float | None,
    values: int = 2,
    noise_nats: float = math.inf,
) -> Receipt:
    """Return the receipt of all images of a completion by chains.

    islands: the facts of each image, at least one.
    strange_nats: 99 % of the model's validation images have fewer nats at temperature
        1; None if that is unknown.
    values: V, the number of values of one variable.
    noise_nats: nats of any image if all values were equally likely.

    strange_nats, values and noise_nats influence only `quality` and `qualities` of the receipt (see
    `quality_of`).
    """
    evidence = np.array([each for island in islands for each in island.log_evidence])
    nats = [each for island in islands for each in island.chains_nats]
    qualities: tuple[Quality, ...] = tuple(
        quality_of(island, strange_nats, values, noise_nats) for island in islands
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
    noise_nats: float,
) -> Receipt:
    """Return the receipt of images that were drawn by rejection, at least one. An image
    is `poor` if it is strange (`is_strange`), else `good`.

    drawn: what drew them, after it has drawn them.
    member: orientation of the member that drew them.
    nats_at_one: -ln p of each image at temperature 1.
    strange_nats: 99 % of the model's validation images have fewer nats at temperature
        1; None if that is unknown.
    """
    qualities: tuple[Quality, ...] = tuple(
        "poor" if is_strange(nats, strange_nats, noise_nats) else "good"
        for nats in nats_at_one
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


def quality_of(
    island: Island, strange_nats: float | None, values: int, noise_nats: float
) -> Quality:
    """Return the word for one image that chains drew: good, rough or poor. Other images
    do not influence it.

    island: its facts, of at least two chains.
    strange_nats: 99 % of the model's validation images have fewer nats at temperature
        1; None if that is unknown.
    values: V, the number of values of one variable.
    noise_nats: nats of any image if all values were equally likely.

    It is `poor` if the image is strange (`is_strange`), or if a variable has at least
    MANY_VALUES values and the effective sample size is below LEAST_ESS. It is `good` if
    the images are at most GOOD_APART nats apart, the chains' estimates of ln p(given)
    have a standard deviation of at most GOOD_SD nats, and the effective sample size is
    at least GOOD_ESS. Otherwise it is `rough`, or `poor` if strange_nats is None.
    """
    nats = island.nats if island.nats_at_one is None else island.nats_at_one
    is_missed = values >= MANY_VALUES and island.ess < LEAST_ESS
    if is_strange(nats, strange_nats, noise_nats) or is_missed:
        return "poor"
    evidence_sd = deviation(np.array(island.log_evidence))
    is_apart = island.apart_nats > GOOD_APART or evidence_sd > GOOD_SD
    if not is_apart and island.ess >= GOOD_ESS:
        return "good"
    return "poor" if strange_nats is None else "rough"


def is_strange(
    nats_at_one: float, strange_nats: float | None, noise_nats: float
) -> bool:
    """Return True if an image has more nats (-ln p) at temperature 1 than
    `strange_nats`, which 99 % of the model's validation images do not reach; if that is
    None, more than `noise_nats`."""
    return nats_at_one > (noise_nats if strange_nats is None else strange_nats)


def worst_of(words: Iterable[Quality]) -> Quality:
    """Return the worst of at least one word; from best to worst: exact, good, rough,
    poor."""
    return max(words, key=get_args(Quality).index)
