"""A Markov chain of images that fill a hole; its stationary distribution is the model's
own posterior.

    p(image, k | given)  is proportional to  prior_k p_k(image)    for images that agree
                                                                   with the given pixels

The component k, a member with a label, is a variable of the chain. A round draws k from
p(k | current image), for which each component scores the image. Then it draws parts of
the hole again, in the order of k's member, by conditional sequential Monte Carlo, with
everything else given: particle Gibbs in blocks (Andrieu, Doucet and Holenstein, 2010).
Each of these moves leaves the posterior as it is, for any number of particles, and so
does a round. It first draws the whole hole, if the first particles had an effective
sample size that makes that useful, each particle with a label of its own; then windows,
for which a few particles are enough.

A chain begins with particles of the members that suit the hole best, with labels from
p(label | given pixels before the hole). Their final images, with the weight p(image)
divided by the sum of p of those members, estimate p(given) of the model without bias,
and the chain's first image is one of them. The chains of one image share these
candidates, so that a chain with bad ones continues from those of another.
"""

import math
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from model_core.elementary import log, log_count, log_mean, log_sum, shares
from model_core.posterior.marginals import Weighted
from model_core.posterior.mixture import Given, Images, Mixture, Way, summed
from model_core.posterior.plan import given_behind, is_mostly_last, window_size, windows
from model_core.posterior.smc import Sweep, Took
from model_core.sampling.noise import choice_noise

FEW = 2.0
"""Effective sample size of the first particles below which a sweep of the whole hole
would hardly ever replace a good image."""
OF_WINDOW, OF_TAIL = 2, 2
"""A window is drawn by a sweep's particles divided by the first number, and the part of
a hole behind a row by those of a second beginning divided by the second: both are
smaller than the hole, so more particles keep some weight."""
SMALL, OF_SMALL = 256, 128
"""An image with up to SMALL values, which is drawn fast; and the particles of each
member that begin again if a mixture's first particles had no weight."""
LARGER, OF_LARGER = 1024, 64
"""The same for an image with up to LARGER values, which is not too slow."""
CANDIDATES, CANDIDATES_OF_EXACT = 2, 8
"""Images of a first sweep that every member scores; and the same if no given pixel lies
behind the hole, so that each is an independent draw."""
CANDIDATES_OF_LOST = 4
"""Factor of both if more particles began again."""
SWEEPS_OF_CHAIN = 1 << 24
"""Sweeps of an image are numbered for their noise; the numbers of each further chain
begin this much higher."""


@dataclass(frozen=True)
class Start:
    """What the first particles of a chain came to: N candidates for its first image.
    `Chain.begin` makes it.

    A component is a member of the model with one of its labels; K is their number. A
    proposer is a member, or a guide, a network that proposes images but does not change
    p; those that begin the chain draw the particles, unfinished images with weights.
    """

    images: Images
    """(N, C, H, W): the candidates, upright."""
    components: Sequence[int]
    """Index of a component for each candidate: the one under which it is the likeliest,
    among those of the member that drew it, or among all if a guide drew it."""
    log_p: NDArray[np.float64]
    """(K, N): for each component ln of its label's prior times its p of each
    candidate."""
    log_weights: NDArray[np.float64]
    """(N,): ln of weights whose sum estimates the model's p(given pixels). The estimate
    is unbiased unless the chain may begin again (`sizes_of`): its first attempt is then
    kept or dropped by its own result."""
    least_ess: float
    """The smallest effective sample size (number of equally weighted particles that
    would be worth as much) of any proposer's particles while they were drawn."""
    distinct: int
    """Number of first particles from which a proposer's last ones descend: the smallest
    of all proposers that began the chain."""
    parts: Sequence[tuple[NDArray[np.float64], float]]
    """For each proposer that began the chain, in its order: its part of log_weights,
    and the smallest effective sample size of its particles."""

    @property
    def log_evidence(self) -> float:
        """ln of the estimated p(given pixels) of the model (see `log_weights`)."""
        return log_sum(self.log_weights)


@dataclass
class Chain:
    """A Markov chain of images that fill one hole; its stationary distribution is
    p(hole | given pixels) of the model. Call `begin`; then `take`, or the function
    `seat` for all chains of an image, to choose the first image; then `rounds`.

    A component is a member of the model with one of its labels; K is their number. A
    proposer is a member, or a guide, a network that proposes images but does not change
    p. Images and maps are upright. A sweep draws several particles, unfinished images
    with weights, through a part of the hole, and chooses one by its weight; the current
    image takes part as one of them, except in `begin`.

    Methods that draw are generators, which yield how much is done, 0 to 1. They raise
    ImpossibleError if the given pixels have no probability.

    began_with: number of particles of each proposer at the last attempt of `begin`.
    """

    mixture: Mixture
    """The members and guides."""
    given: Given
    """The given pixels and the noise."""
    size: int
    """Number of particles of a sweep of the whole hole, at least 2."""
    starts: Sequence[int]
    """Indices, in mixture.proposers, of the proposers whose particles begin the
    chain."""
    number: int = 0
    """Index of the chain among those of the same image; it determines the noise."""
    took: Took = lambda draws, block: None
    """took(draws, where): called after each sweep of a round, with its particles,
    weighted, and the pixels (H, W) that it drew."""
    passed: Took = lambda draws, block: None
    """passed(draws, where): called while the first particles are drawn, with the pixels
    (H, W) that they have just drawn. The given pixels behind these have no influence
    yet."""
    image: Images = field(init=False)
    """(C, H, W): the current image. Set by `take`, `rounds` and `move`."""
    log_p: NDArray[np.float64] = field(init=False)
    """(K,): for each component ln of its label's prior times its p of the image, as of
    `take` or the end of the last round; `move` does not update it."""
    component: int = field(init=False)
    """Index of the component that the chain holds: at first that of the candidate, then
    of the last move."""
    start: Start = field(init=False)
    """The candidates for the first image. Set by `begin`."""
    log_evidence_above: float = field(init=False)
    """ln of an upper estimate of p(given pixels): it is too large on average if the
    image is a draw from the posterior. Set by `look_back`."""

    def __post_init__(self) -> None:
        self._next = self.number * SWEEPS_OF_CHAIN
        self._known_before: dict[int, NDArray[np.float64]] = {}
        self.began_with, self.is_lost = self.size, False

    @property
    def nats(self) -> float:
        """-ln p, under the whole model at the temperature of the completion, of the
        image to which `log_p` belongs."""
        return -float(self.mixture.whole(self.log_p[:, None])[0])

    def begin(self) -> Iterator[float]:
        """Draw candidates for the first image by the proposers `starts`, one after the
        other, and set `start` and `began_with`: yield after each step how much is done,
        0 to 1.

        Without guides there may be a second attempt with more particles (`sizes_of`),
        which replaces the first. It is made if the smallest effective sample size of
        the first was below 2 and all candidates have more nats than
        `given.strange_nats`; for an image of at most 256 values the first condition is
        enough.
        """
        sizes = (
            [self.size]
            if self.mixture.guides
            else sizes_of(self.size, len(self.starts), self.given.known.size)
        )
        for number, size in enumerate(sizes):
            if number and not self._is_in_vain:
                return
            self.began_with, self.is_lost, found = size, number > 0, []
            for done, k in enumerate(self.starts):
                sweep = self._sweep(
                    k,
                    ~self.given.keep,
                    size,
                    labels=self._first_labels(k, size),
                    passed=self.passed,
                )
                for share in sweep.steps():
                    yield (number + (done + share) / len(self.starts)) / len(sizes)
                found.append((k, sweep))
            self.start = self._started(found)

    @property
    def _is_in_vain(self) -> bool:
        usual = (
            -math.inf
            if self.given.known.size <= SMALL
            else self.given.strange_nats or math.inf
        )
        return (
            self.start.least_ess < FEW
            and -self.mixture.whole(self.start.log_p).max() > usual
        )

    def _started(self, found: Sequence[tuple[int, Sweep]]) -> Start:
        parts = [self._candidates(k, sweep) for k, sweep in found]
        log_p = [
            self.mixture.log_p(part.images, self.given.temperature) for part in parts
        ]
        weights = [
            self._log_weights(*each) for each in zip(found, parts, log_p, strict=True)
        ]
        islands = [sweep.island for _, sweep in found]
        return Start(
            np.concatenate([part.images for part in parts]),
            [
                self._drawn_by(k, each)
                for (k, _), part in zip(found, log_p, strict=True)
                for each in part.T
            ],
            np.concatenate(log_p, 1),
            np.concatenate(weights),
            min(island.least_ess for island in islands),
            min(len(np.unique(island.ancestors)) for island in islands),
            [
                (each, island.least_ess)
                for each, island in zip(weights, islands, strict=True)
            ],
        )

    def _log_weights(
        self, found: tuple[int, Sweep], part: Weighted, log_p: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return ln of the weights (N,) of the candidates of one proposer."""
        k, sweep = found
        behind = log_sum(self._before(k)) + sweep.island.evidence()
        # A guide that is no member may miss what the model finds likely, so with one
        # each proposer alone estimates p(given), and the mean is taken. Otherwise the
        # members estimate it together.
        asked = [k] if max(self.starts) >= len(self.mixture.ways) else self.starts
        proposed = [
            self.mixture.proposed(each, part.images, log_p, self.given.temperature)
            for each in asked
        ]
        mean = log_count(self.starts) - log_count(asked)
        return (
            behind
            + log(part.weights)
            + self.mixture.whole(log_p)
            - summed(np.stack(proposed))
            - mean
        )

    def _drawn_by(self, k: int, log_p: NDArray[np.float64]) -> int:
        """Return the index of the component that drew an image with ln p (K,): of
        member k the likeliest, of a guide the likeliest of all."""
        if k >= len(self.mixture.ways):
            return int(log_p.argmax())
        labels = len(self.mixture.ways[k].labels)
        return k * labels + int(log_p[k * labels : (k + 1) * labels].argmax())

    def _before(self, k: int) -> NDArray[np.float64]:
        """Return ln p of each label and of the given pixels before the hole, in the
        order of proposer k."""
        if k not in self._known_before:
            self._known_before[k] = self.mixture.proposers[k].log_p_before(self.given)
        return self._known_before[k]

    def _first_labels(self, k: int, size: int) -> NDArray[np.int64] | None:
        """Return labels of the first particles of proposer k, evenly spaced by p(label
        | given pixels before the hole); None if it has no labels."""
        if self.mixture.proposers[k].labels == [None]:
            return None
        return self._labels_at(k, (self._uniforms(1)[0] + np.arange(size)) / size)

    def _labels_at(self, k: int, uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the labels that uniform numbers in [0, 1) choose by p(label | given
        pixels before the hole)."""
        return np.array(
            [
                self.mixture.proposers[k].labels[chosen(self._before(k), float(each))]
                for each in uniforms
            ]
        )

    def take(self, start: Start, i: int) -> None:
        """Make candidate i of a start the current image: set image, log_p and
        component. `start` may be that of another chain of the same image."""
        self.image, self.log_p, self.component = (
            start.images[i],
            start.log_p[:, i],
            start.components[i],
        )

    def _candidates(self, k: int, sweep: Sweep) -> Weighted:
        """Return some of a sweep's final images, drawn by their weights; all of them,
        weighted, if no other component has to score them."""
        assert sweep.images is not None
        way, island = self.mixture.proposers[k], sweep.island
        members = len(self.mixture.ways)
        if k >= members or len(self.mixture.log_priors) == (
            members if self.mixture.guides else 1
        ):
            return Weighted(
                way.upright(sweep.images), np.maximum(island.weights, 1e-300)
            )
        most = (
            CANDIDATES
            if given_behind(way.turned(self.given.keep))
            else CANDIDATES_OF_EXACT
        )
        most = min(most, self.size) * (CANDIDATES_OF_LOST if self.is_lost else 1)
        uniforms = (self._uniforms(1)[0] + np.arange(most)) / most
        drawn, counts = np.unique(
            [island.drawn(float(each)) for each in uniforms], return_counts=True
        )
        return Weighted(way.upright(sweep.images[drawn]), counts / len(uniforms))

    def rounds(self, count: int) -> Iterator[float]:
        """Draw the image again `count` times, each a round: yield after each step how
        many rounds are done, 0 to `count`, with the part of the current one that is
        done. `image`, `log_p` and `component` are updated.

        A round draws a component with p(component | image), then parts of the hole one
        after the other in the order of its member. Before that, some of `starts` may
        draw a part of the hole or all of it, if particles are of more use there.
        """
        for number in range(count):
            for k, block in self._guiding():
                for _ in self._guided(k, block):
                    yield float(number)
            self.component = chosen(self.log_p, self._uniforms(1)[0])
            blocks = self._blocks()
            for done, block in enumerate(blocks):
                for share in self.move(block):
                    yield number + (done + share) / len(blocks)
            self.log_p = self.mixture.log_p(self.image[None], self.given.temperature)[
                :, 0
            ]

    def _guiding(self) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Yield the proposers that propose images in each round, and the part (H, W) of
        the hole that each draws.

        With guides these are the starts that draw most of the hole after all given
        pixels; they draw all of it, because their distribution is not the model's. In a
        mixture whose first particles had no weight, each start draws what lies behind a
        row that is chosen each time, because each member draws last what others draw
        first.
        """
        for k in self.starts:
            way = self.mixture.proposers[k]
            tail = way.turned(~self.given.keep)
            if self.is_lost:
                rows = np.flatnonzero(tail.any(1))
                tail[: rows[int(self._uniforms(1)[0] * len(rows))]] = False
                yield k, way.upright(tail)
            elif (
                self.mixture.guides
                and (k or len(self.mixture.ways) > 1)
                and is_mostly_last(~tail)
            ):
                yield k, ~self.given.keep

    def _guided(self, k: int, block: NDArray[np.bool_]) -> Iterator[float]:
        """Draw a part (H, W) of the hole again by proposer k. Each image has the weight
        p(image) of the model divided by the proposer's."""
        size = self.began_with // OF_TAIL if self.is_lost else self.size
        images, log_p, log_weights = yield from self._again(k, block, size)
        drawn = chosen(log_weights, self._uniforms(1)[0])
        self.image, self.log_p = images[drawn], log_p[:, drawn]
        self.took(Weighted(images, shares(log_weights)), block)

    def _again(
        self, k: int, block: NDArray[np.bool_], size: int, to_end: bool = False
    ) -> Generator[
        float, None, tuple[Images, NDArray[np.float64], NDArray[np.float64]]
    ]:
        """Draw a part (H, W) of the hole by proposer k, with the current image among
        its particles.

        Return images; ln of each component's prior and p of them (K, N); and ln of
        their weights (N,). Their sum estimates p(given) if the part is the whole hole
        and to_end is True; without it, given pixels after the hole may be missing.
        """
        way, ways = self.mixture.proposers[k], self.mixture.ways
        number = (
            chosen(np.split(self.log_p, len(ways))[k], self._uniforms(1)[0])
            if k < len(ways)
            else 0
        )
        sweep = self._sweep(
            k,
            block,
            size,
            self.image,
            self._next_labels(k, number, block, size),
            to_end=to_end,
        )
        for _ in sweep.steps():
            yield 0.0
        assert sweep.images is not None
        images, island = sweep.images, sweep.island
        if self.is_lost and island.size > CANDIDATES_OF_EXACT:
            images = images[
                island.narrow(self._uniforms(CANDIDATES_OF_EXACT), CANDIDATES_OF_EXACT)
            ]
        images = way.upright(images)
        log_p = self.mixture.log_p(images, self.given.temperature)
        own = self.mixture.proposed(k, images, log_p, self.given.temperature)
        behind = log_sum(self._before(k)) + island.evidence()
        log_weights = (
            behind
            + log(np.maximum(island.weights, 1e-300))
            + self.mixture.whole(log_p)
            - own
        )
        return images, log_p, log_weights

    def look_back(self) -> Iterator[float]:
        """Set `log_evidence_above`: yield 0.0 after each step; there may be none. The
        image stays as it is. Call it after the rounds.

        The proposer of `starts` whose own particles had the most weight draws the whole
        hole again, with the current image among its particles. If it is a guide whose
        candidates are independent draws, those are used again instead.
        """
        sums = [log_sum(log_weights) for log_weights, _ in self.start.parts]
        most = sums.index(max(sums))
        k, (drawn, _) = self.starts[most], self.start.parts[most]
        if k < len(self.mixture.ways) or given_behind(
            self.mixture.proposers[k].turned(self.given.keep)
        ):
            *_, log_weights = yield from self._again(
                k, ~self.given.keep, self.size, to_end=True
            )
            self.log_evidence_above = log_sum(log_weights)
            return
        log_p = self.log_p[:, None]
        own = self.mixture.proposed(k, self.image[None], log_p, self.given.temperature)
        weight = log_sum(self._before(k)) + self.mixture.whole(log_p) - own
        self.log_evidence_above = log_mean(
            np.append(drawn + log_count(drawn) + log_count(self.starts), weight)
        )

    def _blocks(self) -> list[NDArray[np.bool_]]:
        way, hole = self._way(), ~self.given.keep
        turned = way.turned(hole)
        offsets = self._uniforms(2) * window_size(*turned.shape)
        parts = [
            way.upright(part)
            for part in windows(turned, *(int(each) for each in offsets))
        ]
        whole = (
            [hole]
            if (self.start.least_ess >= FEW and not self.is_lost) or len(parts) == 1
            else []
        )
        return whole + (parts if len(parts) > 1 else [])

    def move(self, block: NDArray[np.bool_]) -> Iterator[float]:
        """Draw a part of the hole, bool (H, W), again by the member of `component`,
        with everything else given: yield after each step how much is done, 0 to 1. Then
        `image` and `component` are those of the particle that was chosen, and `took` is
        called. `log_p` is not updated."""
        k, number = self.mixture.way_of(self.component)
        size = (
            self.size
            if (block == ~self.given.keep).all()
            else max(2, self.size // OF_WINDOW)
        )
        sweep = self._sweep(
            k, block, size, self.image, self._next_labels(k, number, block, size)
        )
        yield from sweep.steps()
        assert sweep.image is not None
        assert sweep.images is not None
        way = self._way()
        self.component = k * len(way.labels) + way.labels.index(sweep.label)
        self.image = way.upright(sweep.image)
        self.took(Weighted(way.upright(sweep.images), sweep.island.weights), block)

    def _way(self) -> Way:
        return self.mixture.ways[self.mixture.way_of(self.component)[0]]

    def _next_labels(
        self, k: int, number: int, block: NDArray[np.bool_], size: int
    ) -> NDArray[np.int64] | None:
        """Return the labels of the particles of a move: that of the current image. In a
        move of the whole hole all particles except the first get labels as the first
        particles did, if there are several labels."""
        way = self.mixture.proposers[k]
        if way.labels == [None]:
            return None
        labels = np.full(size, way.labels[number])
        if len(way.labels) > 1 and (block == ~self.given.keep).all():
            labels[1:] = self._labels_at(k, self._uniforms(size - 1))
        return labels

    def _sweep(
        self,
        k: int,
        block: NDArray[np.bool_],
        size: int,
        image: Images | None = None,
        labels: NDArray[np.int64] | None = None,
        passed: Took | None = None,
        to_end: bool = False,
    ) -> Sweep:
        # Each sweep and each choice has noise of its own.
        number, self._next = self._next, self._next + 1
        return self.mixture.proposers[k].sweep(
            self.given, size, number, block, image, labels, passed, to_end
        )

    def _uniforms(self, count: int) -> NDArray[np.float64]:
        number, self._next = self._next, self._next + 1
        return choice_noise(self.given.seed, self.given.sample, number, 0, 0, count)


def sizes_of(size: int, members: int, values: int) -> list[int]:
    """Return the number of particles with which each proposer begins a chain, one
    number for each attempt: [size], or [size, again] if there may be a second attempt,
    with more particles than the first.

    size: particles of each proposer at the first attempt.
    members: number of proposers (members of the model) that begin the chain. With one,
        there is no second attempt.
    values: number of values of an image, C * H * W. A second attempt, if `size` is
        smaller, has 128 particles up to 256 values and 64 up to 1024; larger images
        have none.
    """
    again = OF_SMALL if values <= SMALL else OF_LARGER if values <= LARGER else 0
    return [size, again] if members > 1 and size < again else [size]


def seat(chains: Sequence[Chain], uniform: float) -> Weighted:
    """Give each chain its first image (`Chain.take`): one of the candidates of all
    these chains, chosen by their weights. Return the candidates of all chains, in the
    order of the chains, with their weights, which add up to 1.

    chains: chains of one image, of which each has ended `begin`.
    uniform: number in [0, 1). The candidates are chosen in even steps from it, so that
        chains whose candidates have equal weight keep their own.
    """
    places = [
        (chain.start, i) for chain in chains for i in range(len(chain.start.images))
    ]
    log_weights = np.concatenate([chain.start.log_weights for chain in chains])
    for number, chain in enumerate(chains):
        chain.take(*places[chosen(log_weights, (uniform + number) / len(chains))])
    return Weighted(
        np.concatenate([chain.start.images for chain in chains]), shares(log_weights)
    )


def counted(starts: Sequence[Start]) -> float:
    """Return the effective sample size of the candidates of all starts together: how
    many equally weighted ones would be worth as much.

    A proposer's candidates count for at most the smallest effective sample size that
    its particles had on the way.
    """
    parts = [part for start in starts for part in start.parts]
    weights = shares(np.concatenate([log_weights for log_weights, _ in parts]))
    squares, first = [], 0
    for log_weights, least_ess in parts:
        part = weights[first : (first := first + len(log_weights))]
        squares.append(
            max(math.fsum(np.square(part)), np.square(math.fsum(part)) / least_ess)
        )
    return 1 / math.fsum(squares)


def chosen(log_weights: NDArray[np.float64], uniform: float) -> int:
    """Return the index that a uniform number in [0, 1) chooses, each with a probability
    in proportion to its weight.

    log_weights: (N,), the logarithms of the weights, at least one of them finite.
    """
    cumulative = np.cumsum(shares(log_weights))
    found = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return min(int(found), len(log_weights) - 1)
