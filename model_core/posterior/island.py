"""Weights and resampling of particles: sequential Monte Carlo (Gordon, Salmond and
Smith, 1993). This file knows no images.

The particles of an island are resampled together; islands are independent of each
other. Weights are kept as logarithms, in float64. The product over all resamplings of
the mean weight is an unbiased estimate of p(given) (Del Moral, 2004).
"""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model_core.elementary import log, log_count, log_mean, shares
from model_core.errors import PixelRNNError

Parents = NDArray[np.int64]
"""(N,): the index of the particle of which each one becomes a copy. Particles that stay
keep their places."""


class ImpossibleError(PixelRNNError):
    """All particles (unfinished images with weights) have lost their weight: the
    network that draws them, a member of the model or a guide, gives given pixels a
    probability of zero after each of them. In a mixture, another member may find these
    pixels possible."""


@dataclass
class Island:
    """The weights of N particles, unfinished images that are drawn side by side. The
    images themselves are with the caller, which copies and drops them as `resample`,
    `merge` and `narrow` return."""

    size: int
    """N, which `merge` and `narrow` reduce."""
    retained: int | None = None
    """Index of the particle that is always kept, the image of an earlier sweep; None if
    there is none. `merge` and `narrow` do not renumber it, so it must be 0 if they are
    called."""
    log_weights: NDArray[np.float64] = field(init=False)
    """(N,): ln of the weights, without the factor that log_evidence contains."""
    ancestors: NDArray[np.int64] = field(init=False)
    """(N,): the index, among those with which the island began, of the particle from
    which each one descends."""
    log_evidence: float = 0.0
    """ln of the estimate of p(given pixels), up to the last call of `resample` or
    `narrow`."""
    least_ess: float = field(init=False)
    """The smallest effective sample size after any `weigh` so far; at first N. When
    fewer particles are left, theirs is scaled to the original number."""

    def __post_init__(self) -> None:
        self._began = self.size
        self._shares: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._ess: tuple[NDArray[np.float64], float] | None = None
        self.log_weights = np.zeros(self.size)
        self.ancestors = np.arange(self.size)
        self.least_ess = float(self.size)

    def weigh(self, log_p: NDArray[np.float64]) -> None:
        """Multiply the weights by p (N,), given as its logarithm, and update
        `least_ess`.

        Raises ImpossibleError if no particle has any weight left.
        """
        self.log_weights = self.log_weights + log_p
        if not np.isfinite(self.log_weights).any():
            raise ImpossibleError(
                "the model finds the given pixels impossible: every particle has a "
                "weight of zero"
            )
        self.least_ess = min(self.least_ess, self.ess * self._began / self.size)

    @property
    def weights(self) -> NDArray[np.float64]:
        """The weights (N,), scaled so that they add up to 1."""
        if self._shares is None or self._shares[0] is not self.log_weights:
            self._shares = self.log_weights, shares(self.log_weights)
        return self._shares[1]

    @property
    def ess(self) -> float:
        """Effective sample size: the number of equally weighted particles that would be
        worth as much, 1 to N."""
        weights = self.weights
        if self._ess is None or self._ess[0] is not weights:
            self._ess = weights, 1 / math.fsum(np.square(weights).tolist())
        return self._ess[1]

    @property
    def is_poor(self) -> bool:
        """True if the particles should be resampled: if `ess` is less than half of
        N."""
        return self.ess < self.size / 2

    def resample(self, uniforms: NDArray[np.float64]) -> Parents:
        """Replace light particles by copies of heavy ones, and make all weights equal.
        Return the parents (N,): for each place the index of the particle of which it
        becomes a copy; a particle with copies keeps its own place. The caller copies
        the images. log_weights become 0; log_evidence and ancestors are updated.

        uniforms: N numbers in [0, 1). Without a retained particle only the first is
            used (systematic resampling); with one, all except the first.
        """
        self.log_evidence = self.evidence()
        parents = (
            self._conditional(uniforms)
            if self.retained is not None
            else self._systematic(float(uniforms[0]))
        )
        self.log_weights = np.zeros(self.size)
        self.ancestors = self.ancestors[parents]
        return parents

    def merge(self, groups: NDArray[np.int64]) -> NDArray[np.int64]:
        """Make one particle of those that are equal from now on, with the sum of their
        weights up to a factor that leaves `evidence` unchanged. Return the indices,
        ascending, of the particles that are left; the caller drops the others. size,
        log_weights and ancestors are updated.

        groups: (N,), for each particle the index of the first particle that it equals,
            which may be its own.
        """
        left, places = np.unique(groups, return_inverse=True)
        together = np.bincount(places, self.weights) * (len(left) / self.size)
        top = log_mean(self.log_weights) + log_count(self.log_weights)
        self.log_weights = np.where(
            together > 0, log(np.maximum(together, 1e-300)) + top, -np.inf
        )
        self.ancestors, self.size = self.ancestors[left], len(left)
        return left

    def narrow(self, uniforms: NDArray[np.float64], draws: int) -> NDArray[np.int64]:
        """Continue with `draws` draws by the weights; equal draws become one particle
        whose weight is their number. Return the indices, ascending, of the particles
        that are left, at most `draws`; the caller drops the others. size, log_weights,
        ancestors and log_evidence are updated.

        uniforms: at least `draws` numbers in [0, 1). Without a retained particle only
            the first is used; with one, which is always among the draws, those from the
            second on.
        draws: at least 1.

        For use after the hole's last pixel, where copies would stay equal.
        """
        self.log_evidence = self.evidence()
        retained = self.retained is not None
        if retained:
            counts = self._counts(uniforms[1:draws])
            counts[self.retained] += 1
        else:
            counts = self._counts((float(uniforms[0]) + np.arange(draws)) / draws)
        left = np.flatnonzero(counts)
        self.size = len(left)
        self.log_weights = log(
            np.asarray(counts[left] * (self.size / draws), np.float64)
        )
        self.ancestors = self.ancestors[left]
        return left

    def evidence(self) -> float:
        """Return ln of an estimate of p(given pixels), as far as `weigh` has been
        called with theirs. Without a retained particle the estimate is unbiased; with
        one it is expected to be too large. Nothing is changed."""
        return self.log_evidence + log_mean(self.log_weights)

    def drawn(self, uniform: float) -> int:
        """Return the index, 0 to N - 1, of the particle that a uniform number in [0, 1)
        chooses, each with the probability of its weight."""
        return int(self._inverse(np.array([uniform]))[0])

    def _systematic(self, uniform: float) -> Parents:
        return self._in_place(
            self._counts((uniform + np.arange(self.size)) / self.size)
        )

    def _conditional(self, uniforms: NDArray[np.float64]) -> Parents:
        """Return parents by multinomial resampling of all particles except the retained
        one (Andrieu, Doucet and Holenstein, 2010)."""
        assert self.retained is not None
        counts = self._counts(uniforms[1:])
        counts[self.retained] += 1
        return self._in_place(counts)

    def _in_place(self, counts: NDArray[np.int64]) -> Parents:
        """Return parents that leave particles that stay in their places; additional
        copies of them take the places of the others."""
        parents = np.arange(self.size)
        parents[counts == 0] = np.repeat(
            np.arange(self.size), np.maximum(counts - 1, 0)
        )
        return parents

    def _counts(self, uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        return np.bincount(self._inverse(uniforms), minlength=self.size)

    def _inverse(self, uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        cumulative = np.cumsum(self.weights)
        found = np.searchsorted(cumulative, uniforms * cumulative[-1], side="right")
        return np.minimum(found, self.size - 1)
