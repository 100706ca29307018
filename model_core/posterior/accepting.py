"""Draw from the posterior of a mixture by rejection, without a chain, if one of its
members comes to the hole last.

For that member k no given pixel lies behind the hole, so it draws from p_k(hole |
given) exactly and fast. A pool of such draws shows how likely the model and each member
find the given pixels, by the mean of

    weight(image) = p(image) / p_k(image)

With probability p(k | given) an image of the model's posterior is a draw from p_k(hole
| given). Otherwise it is distributed in proportion to the other members' part of p. For
that, draws of k are tried until one is accepted, with a probability in proportion to
that part of its weight (von Neumann, 1951). This is exact for parts up to a limit, a
multiple of the average; the few draws with more are accepted as if they had the limit.
The weighted pool also gives the expected value of each pixel.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from model_core.elementary import exp, log, log_count, log_mean, log_sum, shares
from model_core.posterior.chain import chosen
from model_core.posterior.marginals import Weighted
from model_core.posterior.mixture import Given, Images, Mixture, mixed, summed
from model_core.sampling.noise import choice_noise

TOP = 4.0, 2.0
"""The limit of a part of a weight is the smaller of: the pool's mean times the first
number, and its largest times the second."""
ENOUGH = 4.0
"""Minimum effective sample size of the pool. With less, another member than k has
nearly all the weight."""
SIDE_BY_SIDE, TRIED = 16, 4
"""Images that are drawn side by side: for the pool; and until one is accepted."""
MISSED_NATS = 1.0
"""By how many nats a member's estimate of p(given) may exceed the pool's of the whole
model, because estimates vary."""
POOL, CHOICES, OTHERS = 1 << 29, 1 << 28, 1 << 27
"""Numbers of sweeps from which on the noise belongs to: the pool, which uses that of
the first image; choices, among each image's own; and the other members' sweeps, among
the first image's."""


@dataclass(frozen=True)
class Candidates:
    """N exact draws of member k of a mixture, with the probabilities that all its M
    members give them."""

    images: Images
    """(N, C, H, W), upright."""
    log_p: NDArray[np.float64]
    """(M, N): ln p of each image under each member."""
    log_weights: NDArray[np.float64]
    """(N,): ln p - ln p_k of each image, where p is the mixture's, the mean over the
    members."""
    log_others: NDArray[np.float64]
    """(N,): the same, but for p without the part of member k."""

    @property
    def ess(self) -> float:
        """Effective sample size: the number of equally weighted draws that would be
        worth as much, 1 to N."""
        return 1 / math.fsum(np.square(shares(self.log_weights)))

    @classmethod
    def of(cls, images: Images, log_p: NDArray[np.float64], k: int) -> "Candidates":
        """Return candidates with their weights.

        images: draws of member k, (N, C, H, W).
        log_p: ln p of each draw under each member, (M, N).
        """
        return cls(
            images, log_p, mixed(log_p) - log_p[k], mixed(log_p, but=k) - log_p[k]
        )


class Accepting:
    """Draws the images of one completion of a mixture without labels, by rejection:
    draws of one member, k, are tried until one is accepted. If none of about `size`
    draws is, one of them is chosen by its weight.

    First run `begin` to its end, which draws the pool: draws of member k that show how
    the model's p differs from p_k. Then, if `suffices` is True, `steps` draws an image.

    member: k, the index of the member, in whose order no given pixel comes after the
        hole's first pixel.
    size: number of draws in the pool, and about the most that are tried for an image.
    pool: None until `begin` has drawn it.
    nats: -ln p of each image that was drawn, in the order of drawing, under the whole
        model at the temperature of the completion.
    """

    def __init__(
        self,
        mixture: Mixture,
        k: int,
        given: Callable[[int], Given],
        size: int,
        together: int,
    ) -> None:
        """Draw nothing yet.

        mixture: the members, without labels.
        k: index of the member that draws.
        given: given(i) returns the given pixels and the noise of image i.
        size: number of draws in the pool.
        together: maximum number of images that may be drawn side by side.
        """
        self._mixture, self.member, self._given, self.size = mixture, k, given, size
        self._pooled, self._tried = min(SIDE_BY_SIDE, together), min(TRIED, together)
        self.pool: Candidates | None = None
        self.nats: list[float] = []
        """-ln p under the whole model, at the temperature of the completion, of each
        image that was drawn."""
        self._is_missed = False

    def begin(self) -> Iterator[float]:
        """Draw the pool and compare it with the other members, in steps: yield after
        each the share of the pool that is done, 0 to 1. Do nothing if the pool exists.

        Raises ImpossibleError if another member gives the given pixels no probability.
        """
        if self.pool is not None:
            return
        parts: list[Candidates] = []
        for first in range(0, self.size, self._pooled):
            count = min(self._pooled, self.size - first)
            for step in self._drawn(self._given(0), POOL + first, count):
                if isinstance(step, Candidates):
                    parts.append(step)
                else:
                    yield (first + count * step) / self.size
        self.pool = self._joined(parts)
        yield from self._asked_of_others()

    def _asked_of_others(self) -> Iterator[float]:
        """Estimate p(given) under each other member, with particles in its own order.

        Draws of member k may never reach the fillings that another member prefers. That
        is so if the estimate of that member alone exceeds the pool's.
        """
        given, ways = self._given(0), self._mixture.ways
        for m, way in enumerate(ways):
            if m == self.member:
                continue
            # As many particles as the pool has draws: fewer would miss the same
            # fillings.
            sweep = way.sweep(given, self.size, OTHERS + m, ~given.keep)
            for _ in sweep.steps():
                yield 1.0
            its_part = (
                log_sum(way.log_p_before(given))
                + sweep.island.evidence()
                - log_count(ways)
            )
            self._is_missed |= its_part > self.log_evidence + MISSED_NATS

    @property
    def suffices(self) -> bool:
        """True if the pool's effective sample size is at least ENOUGH (4) and no other
        member has found fillings of the hole that the pool misses. It does not depend
        on the images that are drawn, and counts only after `begin` has ended."""
        return self._found.ess >= ENOUGH and not self._is_missed

    @property
    def ess(self) -> float:
        """Effective sample size of the pool: the number of equally weighted draws that
        would be worth as much."""
        return self._found.ess

    @property
    def log_evidence(self) -> float:
        """ln of an unbiased estimate of the model's p(given pixels). Reading it may
        take a pass of the network over the pixels before the hole."""
        before = log_sum(self._mixture.ways[self.member].log_p_before(self._given(0)))
        return before + log_mean(self._found.log_weights)

    @property
    def evidence_sd(self) -> float:
        """Standard deviation of `log_evidence`, in nats, estimated from the weights of
        the pool."""
        return math.sqrt(max(0.0, 1 / self._found.ess - 1 / self.size))

    def draws(self) -> Weighted:
        """Return the pool, upright, with its weights, which add up to 1."""
        return Weighted(self._found.images, shares(self._found.log_weights))

    def some(self, count: int) -> Images:
        """Return `count` images of the pool, (count, C, H, W), upright, chosen in
        proportion to their weights. An image may occur several times."""
        drawn = [
            chosen(self._found.log_weights, (place + 0.5) / count)
            for place in range(count)
        ]
        return self._found.images[drawn]

    def steps(self, i: int) -> Iterator[float | Images]:
        """Draw image i in steps. Yield the approximate progress, 0 to 1, after each
        step, and at last the image, (C, H, W), upright. Append its nats to `nats`."""
        given = self._given(i)
        which, last = self._uniforms(given, CHOICES, 2)
        tried: list[Candidates] = []
        is_own, top = which < self._share, self._log_top
        for number in range(1 if is_own else self.size // self._tried + 1):
            for step in self._drawn(given, number, 1 if is_own else self._tried):
                if isinstance(step, Candidates):
                    tried.append(step)
                else:
                    yield 1 - (1 - step / 2) * 0.5 ** len(tried)
            passed = self._uniforms(given, CHOICES + 1 + number, self._tried) < exp(
                tried[-1].log_others - top
            )
            if is_own or passed.any():
                yield self._taken(tried[-1], 0 if is_own else int(np.argmax(passed)))
                return
        every = self._joined(tried)
        yield self._taken(every, chosen(every.log_others, float(last)))

    def _drawn(
        self, given: Given, number: int, count: int
    ) -> Iterator[float | Candidates]:
        """Draw `count` candidates, in steps: yield the share that is done, and at last
        the candidates."""
        way, ways = self._mixture.ways[self.member], self._mixture.ways
        sweep = way.sweep(given, count, number, ~given.keep)
        for done in sweep.steps():
            yield done / (1 + len(ways))
        assert sweep.images is not None
        images, said = way.upright(sweep.images), []
        for each in ways:
            said.append(summed(each.log_p(images, given.temperature)))
            yield (1 + len(said)) / (1 + len(ways))
        log_p = np.stack(said)
        yield Candidates.of(images, log_p, self.member)

    def _joined(self, parts: list[Candidates]) -> Candidates:
        log_p = np.concatenate([part.log_p for part in parts], 1)
        return Candidates.of(
            np.concatenate([part.images for part in parts]), log_p, self.member
        )

    @property
    def _share(self) -> float:
        """p(k | given), estimated by the pool."""
        found = self._found
        return 1 - float(
            exp(np.array(log_mean(found.log_others) - log_mean(found.log_weights)))
        )

    @property
    def _log_top(self) -> float:
        """ln of the limit: a part of a weight that is as large is always accepted."""
        others = self._found.log_others
        bounds = log_mean(others), float(others.max())
        return min(
            each + float(log(np.array(times)))
            for each, times in zip(bounds, TOP, strict=True)
        )

    @property
    def _found(self) -> Candidates:
        assert self.pool is not None, "begun"
        return self.pool

    @staticmethod
    def _uniforms(given: Given, number: int, count: int) -> NDArray[np.float64]:
        return choice_noise(given.seed, given.sample, number, 0, 0, count)

    def _taken(self, candidates: Candidates, i: int) -> Images:
        self.nats.append(-float(mixed(candidates.log_p[:, i : i + 1])[0]))
        return candidates.images[i]
