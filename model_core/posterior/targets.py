"""The target of a completion: a model, and what is given."""

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

FEW_SCORES = 256
"""Fillings of a hole, times the components of the model, that are scored at most instead of
drawing chains: 64 by a digits' network take as long as 32 particles with two sweeps."""
USUAL = 0.99
"""Share of a model's validation images that have fewer nats than a strange one."""


@dataclass(frozen=True)
class Target:
    """p(hole | everything given) of a model: known (C, H, W) values where keep (H, W) is True, the right way up, at a
    temperature."""

    components: Sequence[Component]
    known: NDArray[np.int64]
    keep: NDArray[np.bool_]
    temperature: float
    strange_nats: float | None = None
    """99 % of the model's validation images have fewer nats at temperature 1; None if
    the card has no quantiles. An image with more is strange, at any temperature."""
    guides: Sequence[Member] = ()

    @classmethod
    def of(
        cls,
        model: Model,
        known: NDArray[np.integer],
        keep: NDArray[np.bool_],
        temperature: float,
    ) -> "Target":
        given = (
            np.ascontiguousarray(known, np.int64),
            np.ascontiguousarray(keep, np.bool_),
        )
        strange = strange_nats(model.card)
        return cls(model.components, *given, temperature, strange, model.guides)

    @property
    def needs_particles(self) -> bool:
        """True if one draw is not exact: something given lies behind the hole's first pixel, or several members have a
        say, of which each would draw from another distribution. Labels need none: one is drawn before the image is."""
        orientation = self.components[0].orientation
        return (
            len(self.of_members) > 1 or given_behind(turn(self.keep, orientation)) > 0
        )

    @property
    def has_few_fillings(self) -> bool:
        """True if all fillings of the hole can be scored by each component."""
        missing = len(self.known) * int(np.count_nonzero(~self.keep))
        # A power of so many factors of two exceeds the limit; larger ones are not computed.
        factors = min(missing, FEW_SCORES.bit_length())
        return self.values**factors * len(self.components) <= FEW_SCORES

    @cached_property
    def of_members(self) -> Sequence[Sequence[Component]]:
        """The components of each member."""
        return [
            list(group)
            for _, group in groupby(self.components, lambda each: id(each.member))
        ]

    def given(self, seed: int, sample: int = 0) -> Given:
        """The material of one image."""
        # Chains compare nats at their own temperature with strange_nats when they decide
        # whether to begin again, which only makes sense at temperature 1.
        strange = self.strange_nats if self.temperature == 1 else None
        return Given(self.known, self.keep, seed, sample, self.temperature, strange)

    def no_shares(self) -> Shares:
        """Nothing is taken in yet of what is expected of each pixel."""
        return Shares(
            self.components[0].network.config, self.known, self.keep, self.temperature
        )

    @property
    def categories(self) -> int:
        """How many values without order there are; 0: they have one."""
        return self.values * self.components[0].network.config.categories

    @property
    def values(self) -> int:
        """V"""
        return self.components[0].network.config.values


def strange_nats(card: Card) -> float | None:
    """Hardly any validation image of a model has so many, at temperature 1; None where its card does not know."""
    return (
        None
        if card.validation is None
        else quantile(card.validation.nats_quantiles, USUAL)
    )


def quantile(evenly: Sequence[float], share: float) -> float:
    """The number below which so large a share lies, from evenly spaced quantiles."""
    return float(np.interp(share * (len(evenly) - 1), np.arange(len(evenly)), evenly))
