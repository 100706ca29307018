"""The target of a completion: a model, and the given pixels."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

import numpy as np
from numpy.typing import NDArray

from model_core.card import Card
from model_core.components import Component, Member
from model_core.models import Model
from model_core.orientation import turn
from model_core.posterior.marginals import Shares
from model_core.posterior.mixture import Given
from model_core.posterior.plan import given_behind

FEW_SCORES, MOST_SCORES = 256, 65_536
"""Bounds of `most_scores`. Jobs of version 0.4 have the lower one."""
OPERATIONS = 10**11
"""Operations that the scores of one hole may take: about two seconds of one CPU
core."""
USUAL = 0.99
"""Share of a model's validation images that have fewer nats than a strange image."""


@dataclass(frozen=True)
class Target:
    """The distribution that a completion draws from: p(hole | all given pixels) of a
    model. `Target.of` makes it.

    A member is one network of the model; a component is a member with one of its
    labels, or a member without labels. Each member sees images turned into its own
    orientation; "upright" means not turned.
    """

    components: Sequence[Component]
    """The components of the model, member by member, and label by label within a
    member."""
    known: NDArray[np.int64]
    """Values (C, H, W), int64, 0..V-1, upright. Those of the hole do not change the
    result, but must be in that range, too."""
    keep: NDArray[np.bool_]
    """Bool (H, W), True for given pixels, False for the hole; upright."""
    temperature: float
    """Divides the logits of every distribution; 1 is the model's own."""
    most_scores: int = FEW_SCORES
    """Maximum number of scores for which the fillings of the hole are enumerated, unless
    a caller sets another limit."""
    strange_nats: float | None = None
    """99 % of the model's validation images have fewer nats (-ln p) at temperature 1;
    None if the model's card has no quantiles. An image with more is called strange, at
    any temperature."""
    guides: Sequence[Member] = ()
    """Networks, with their orientations, that propose images for the hole but do not
    change p. Some may be members, too."""

    @classmethod
    def of(
        cls,
        model: Model,
        known: NDArray[np.integer],
        keep: NDArray[np.bool_],
        temperature: float,
    ) -> "Target":
        """Return the target of a model and given pixels, which are not checked.

        known, keep: values (C, H, W), and bool (H, W), True for given pixels; both
            upright. Arrays of type int64 and bool may be shared, others are copied.
        """
        given = (
            np.ascontiguousarray(known, np.int64),
            np.ascontiguousarray(keep, np.bool_),
        )
        return cls(
            model.components,
            *given,
            temperature,
            most_scores(model.card),
            strange_nats(model.card),
            model.guides,
        )

    @property
    def needs_particles(self) -> bool:
        """True if one draw is not exact: a given pixel comes after the hole's first
        pixel in the member's order, or there are several members, each with a
        distribution of its own. Labels do not matter, since one is drawn before the
        image."""
        orientation = self.components[0].orientation
        return (
            len(self.of_members) > 1 or given_behind(turn(self.keep, orientation)) > 0
        )

    @property
    def scores(self) -> int:
        """Number of scores that enumerate the hole: V^(missing variables) times the
        number of components. Above MOST_SCORES it is not exact."""
        missing = len(self.known) * int(np.count_nonzero(~self.keep))
        # Two to this power exceeds the limit already; larger powers are not computed.
        factors = min(missing, MOST_SCORES.bit_length())
        return self.values**factors * len(self.components)

    @cached_property
    def of_members(self) -> Sequence[Sequence[Component]]:
        """The components in groups, one sequence for each member."""
        return [
            list(group)
            for _, group in groupby(self.components, lambda each: id(each.member))
        ]

    def given(self, seed: int, sample: int = 0) -> Given:
        """Return a `Given`: the given pixels, the temperature, and the numbers (seed,
        sample) that determine the noise of one image. Its strange_nats are None unless
        the temperature is 1."""
        # Chains compare nats at their own temperature with strange_nats when they
        # decide whether to begin again, which only makes sense at temperature 1.
        strange = self.strange_nats if self.temperature == 1 else None
        return Given(self.known, self.keep, seed, sample, self.temperature, strange)

    def no_shares(self) -> Shares:
        """Return new, empty sums (`Shares`) for the marginals of the hole."""
        return Shares(
            self.components[0].network.config, self.known, self.keep, self.temperature
        )

    @property
    def categories(self) -> int:
        """V, the number of values, if they are categories, which have no order; 0 if
        they have an order."""
        return self.values * self.components[0].network.config.categories

    @property
    def values(self) -> int:
        """V, the number of values of one variable (one colour of one pixel)."""
        return self.components[0].network.config.values


def most_scores(card: Card) -> int:
    """Return how many scores (fillings of a hole, each by one component) take at most
    about two seconds of one CPU core, by the model's number of parameters and its
    size."""
    members = max(1, len(card.members))
    # The JavaScript engine and `most_scores` of the worker's contract compute the
    # same.
    # `parameters` are those of all members.
    of_all = 2 * card.parameters * card.config.height * card.config.width
    return max(FEW_SCORES, min(MOST_SCORES, OPERATIONS * members // max(1, of_all)))


def strange_nats(card: Card) -> float | None:
    """Return the nats, -ln p at temperature 1, that 99 % of a model's validation images
    do not reach; None if the model's card has no such quantiles."""
    return (
        None
        if card.validation is None
        else quantile(card.validation.nats_quantiles, USUAL)
    )


def quantile(evenly: Sequence[float], share: float) -> float:
    """Return the number below which this share of a distribution lies, interpolated
    linearly between quantiles.

    evenly: quantiles at evenly spaced shares, from that of 0 to that of 1; at least
        one.
    share: 0 to 1.
    """
    return float(np.interp(share * (len(evenly) - 1), np.arange(len(evenly)), evenly))
