"""How good the images of a completion are: figures, and one word that they come to."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal, get_args

import numpy as np

from model_core.elementary import deviation, log_mean
from model_core.orientation import Orientation
from model_core.posterior.accepting import Accepting

Quality = Literal["exact", "good", "rough", "poor"]
"""exact: draws from the model's posterior. good: the chains of each image agree, and enough of their first particles
counted. rough: not quite so. poor: do not rely on them; more sweeps and particles may help. docs/completion.md measures
how the words fare."""
GOOD_APART, ROUGH_APART = 25.0, 50.0
"""Nats: two images of one posterior are hardly ever further apart than the first."""
GOOD_SD = 5.0
GOOD_ESS = 2.5
"""Fewer first particles that count may all have missed what is likely, and agree on it."""
MANY_VALUES, LEAST_ESS = 16, 1.5
"""Windows hardly mend what fewer first particles than that have missed where a pixel has so many values, and chains
may agree on it."""


@dataclass(frozen=True)
class Receipt:
    """How good the images of a completion are."""

    exact: bool
    """Each is a draw from the model's own p(hole | everything given). A draw of one member of a mixture is not:
    that member's p_k(hole | everything given) is another distribution."""
    member: Orientation
    """The member of the model in whose order the last image was drawn last."""
    quality: Quality | None = None
    """The figures in a word, of several images the worst; None of a clamp."""
    qualities: tuple[Quality, ...] | None = None
    """The word of each completed image, which it would have alone too; None of a clamp."""
    particles: int = 0
    """Particles of an image, the most: more than asked for where they began again; 0 when none were needed."""
    ess: float | None = None
    """The smallest effective sample size on the way, of the first particles of any image."""
    distinct: int | None = None
    """Number of its first particles from which an image's last ones descend: the smallest over the images."""
    evidence_nats: float | None = None
    """-ln of the estimate of the model's p(given). Where a completion proves that this is too much, since p(given) is
    at least p(completed), what it proves."""
    evidence_sd: float | None = None
    """The standard deviation of such an estimate, in nats: of the chains' own, or as the weights of a pool have it."""
    nats: tuple[float, ...] | None = None
    """-ln p of each completed image, under the whole model; None of a clamp."""
    apart_nats: float | None = None
    """How far the two chains of an image, which began apart, were from each other at their ends: the difference of
    their images' nats, the largest of all images. None where no chain was needed."""
    label: int | None = None
    """The label of the last image, in a model with labels."""

    @property
    def of_no_image(self) -> "Receipt":
        """This receipt without what it says of images: for a caller who asked for the marginals alone."""
        return replace(self, nats=(), qualities=(), label=None)

    def to_dict(self) -> dict[str, Any]:
        """The receipt as JSON takes it."""
        facts = asdict(self)
        if self.label is None:
            del facts["label"]
        return facts


@dataclass(frozen=True)
class Island:
    """The facts of one image and of the chains that drew it."""

    member: Orientation
    label: int | None
    nats: float
    """Nats of the image."""
    chains_nats: Sequence[float]
    """Nats of the chains' last images."""
    log_evidence: Sequence[float]
    """Estimates of the chains' beginnings."""
    log_evidence_above: float
    """One from the other side, with the image among the particles."""
    ess: float
    distinct: int
    particles: int
    """Sum over the chains of those of each member that began them."""
    nats_at_one: float | None = None
    """Nats of the image at temperature 1. Default: `nats`."""

    @property
    def apart_nats(self) -> float:
        """How far the chains ended from each other."""
        return max(self.chains_nats) - min(self.chains_nats)


def receipt_of(
    islands: Sequence[Island], strange_nats: float | None, values: int = 2
) -> Receipt:
    """Return the receipt of all images of a completion by chains, at least one.

    strange_nats: 99 % of the model's validation images have fewer nats at temperature 1;
    None if that is unknown. values: V of the model.
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
    """Return the receipt of images that were drawn without a chain.

    member: orientation of the member that drew them. nats_at_one: nats of each image at
    temperature 1. strange_nats: as for receipt_of.
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
    """Return the word for one image by chains; other images do not influence it."""
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
    validation images; False if their nats are unknown."""
    return strange_nats is not None and nats_at_one > strange_nats


def worst_of(words: Iterable[Quality]) -> Quality:
    """The worst of several words, at least one."""
    return max(words, key=get_args(Quality).index)
