"""Draws of a mixture's posterior where one of its members comes to the hole last: by rejection, without a chain.

That member k draws from p_k(hole | given), exactly and in a moment. A pool of such draws tells how likely the model and
each member find what is given, by the mean of

    weight(image) = p(image) / p_k(image)

The model's own posterior is p_k(hole | given) with the probability p(k | given). For the rest of the time, it is in
proportion to what the other members say: draws of k are tried until one is accepted, with a probability in proportion
to the others' part of its weight (von Neumann, 1951). That is exact for parts up to a top of some times the average;
what few are heavier are drawn as if they were as heavy as the top. The pool, weighed, says what is expected of each
pixel.
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
"""The top is so many times the pool's mean, or so many times its largest where that is less."""
ENOUGH = 4.0
"""Draws of the pool that must count, or else another member than k has nearly all the weight."""
SIDE_BY_SIDE, TRIED = 16, 4
"""Images that are drawn together, of the pool, and until one is accepted."""
MISSED_NATS = 1.0
"""Estimates vary: a member may find what is given likelier by so much than the whole model does by the pool."""
POOL, CHOICES, OTHERS = 1 << 29, 1 << 28, 1 << 27
"""Noise of sweeps from these numbers on: the pool's and those of other members, among the first image's; choices among
each image's own."""


@dataclass(frozen=True)
class Candidates:
    """Exact draws of a member, and what every member says of them."""

    images: Images
    """(N, C, H, W), the right way up."""
    log_p: NDArray[np.float64]
    """(K, N)"""
    log_weights: NDArray[np.float64]
    """(N,): ln p - ln p_k of each."""
    log_others: NDArray[np.float64]
    """(N,): the other members' part of that."""

    @property
    def ess(self) -> float:
        """How many equally weighted draws would be worth as much."""
        return 1 / math.fsum(np.square(shares(self.log_weights)))

    @classmethod
    def of(cls, images: Images, log_p: NDArray[np.float64], k: int) -> "Candidates":
        """Draws (N, C, H, W) of member k, and what every member says of them (K, N)."""
        return cls(
            images, log_p, mixed(log_p) - log_p[k], mixed(log_p, but=k) - log_p[k]
        )


class Accepting:
    """Images of one completion. k: the member in whose order nothing given lies behind the hole; given(i): the material
    of image i; size: draws of the pool, and about the most that are tried for an image; together: the most that may be
    drawn side by side."""

    def __init__(
        self,
        mixture: Mixture,
        k: int,
        given: Callable[[int], Given],
        size: int,
        together: int,
    ) -> None:
        self._mixture, self.member, self._given, self.size = mixture, k, given, size
        self._pooled, self._tried = min(SIDE_BY_SIDE, together), min(TRIED, together)
        self.pool: Candidates | None = None
        self.nats: list[float] = []
        """Nats of each image that was drawn, under the whole model."""
        self._is_missed = False

    def begin(self) -> Iterator[float]:
        """Draw the pool, if there is none: after each step, how much of it is done, 0 to 1."""
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
        """Estimate p(given) by each other member, with particles in its own order.

        Draws of member k may never reach the fillings that another member prefers. That
        is so if its estimate alone exceeds the pool's. As many particles are used as the
        pool has draws: fewer miss the same fillings.
        """
        given, ways = self._given(0), self._mixture.ways
        for m, way in enumerate(ways):
            if m == self.member:
                continue
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
        """True if enough draws of the pool count, and no other member knows better; no image has a say in it."""
        return self._found.ess >= ENOUGH and not self._is_missed

    @property
    def ess(self) -> float:
        """How many draws of the pool count."""
        return self._found.ess

    @property
    def log_evidence(self) -> float:
        """ln of an estimate of the model's p(given), unbiased in p."""
        before = log_sum(self._mixture.ways[self.member].log_p_before(self._given(0)))
        return before + log_mean(self._found.log_weights)

    @property
    def evidence_sd(self) -> float:
        """The standard deviation of that estimate, in nats: as large as the weights of the pool say."""
        return math.sqrt(max(0.0, 1 / self._found.ess - 1 / self.size))

    def draws(self) -> Weighted:
        """The pool, weighed."""
        return Weighted(self._found.images, shares(self._found.log_weights))

    def some(self, count: int) -> Images:
        """Draws (count, C, H, W) of the pool, each as often as it weighs."""
        drawn = [
            chosen(self._found.log_weights, (place + 0.5) / count)
            for place in range(count)
        ]
        return self._found.images[drawn]

    def steps(self, i: int) -> Iterator[float | Images]:
        """Draw image i: after each step but the last about how much is done, 0 to 1; at last the image, (C, H, W)."""
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
        """Draw so many: after each step but the last how much is done; at last the candidates."""
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
        """p(k | given), as the pool has it."""
        found = self._found
        return 1 - float(
            exp(np.array(log_mean(found.log_others) - log_mean(found.log_weights)))
        )

    @property
    def _log_top(self) -> float:
        """ln of the part of a weight that is accepted always."""
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
        """Numbers in [0, 1) that no sweep uses."""
        return choice_noise(given.seed, given.sample, number, 0, 0, count)

    def _taken(self, candidates: Candidates, i: int) -> Images:
        self.nats.append(-float(mixed(candidates.log_p[:, i : i + 1])[0]))
        return candidates.images[i]
