"""A Markov chain on the images that fill a hole, whose stationary distribution is the model's own posterior.

    p(image, k | given)  is proportional to  prior_k p_k(image)    where the image is as given

The component k, a member with a label, is a variable of the chain. A round draws k from p(k | image so far), which
needs what each component says of that image, and then parts of the hole in its member's order by conditional sequential
Monte Carlo, all else given: particle Gibbs in blocks (Andrieu, Doucet and Holenstein, 2010). Each of these moves leaves
the posterior as it is, for any number of particles, so a round does. First the whole hole, where the first particles
were worth something, each with a label of its own; then windows, in which a few particles are enough.

It begins with particles of the members that suit the hole best, with labels from p(label | given before the hole).
Their last images, weighed by p(image) over the sum of what those members say of it, estimate the model's p(given)
without bias, and the first image is one of them. Chains of one image share theirs: one that has begun badly goes on
from where another has.
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
"""Particles of the whole hole of which fewer count would hardly ever change a good image."""
OF_WINDOW, OF_TAIL = 2, 2
"""A window is drawn by a sweep's particles divided by so many, and a tail by those that began again: each is smaller
than the hole, and more of them count."""
SMALL, OF_SMALL = 256, 128
LARGER, OF_LARGER = 1024, 64
"""Values of an image that is soon drawn, or not too late; where a mixture's first particles are worth nothing, the
particles of each member that begin again."""
CANDIDATES, CANDIDATES_OF_EXACT = 2, 8
"""Images of a first sweep that every member weighs; where nothing given lies behind the hole, each is a draw of its
own."""
CANDIDATES_OF_LOST = 4
"""Times as many where more began again."""
SWEEPS_OF_CHAIN = 1 << 24
"""Sweeps have numbers for their noise; those of the next chain of the same image begin so many later."""


@dataclass(frozen=True)
class Start:
    """The find of a chain's first particles."""

    images: Images
    """(N, C, H, W): candidates for the first image, the right way up."""
    components: Sequence[int]
    """The component that drew each: a member, with the label that it finds the likeliest."""
    log_p: NDArray[np.float64]
    """(K, N): what each component says of them, and its prior."""
    log_weights: NDArray[np.float64]
    """(N,): what is expected of the sum of their exponentials is p(given), of the model."""
    least_ess: float
    """The smallest effective sample size on the way, of any member's particles."""
    distinct: int
    """The number of first particles from which a member's last ones descend: the smallest."""
    parts: Sequence[tuple[NDArray[np.float64], float]]
    """The part of log_weights of each proposer's particles, and their smallest effective sample size on the way."""

    @property
    def log_evidence(self) -> float:
        """ln of an estimate of the model's p(given), unbiased in p."""
        return log_sum(self.log_weights)


@dataclass
class Chain:
    """One chain. starts: the members whose particles begin it; number: among the chains of one image."""

    mixture: Mixture
    given: Given
    size: int
    """Particles of a sweep of the whole hole."""
    starts: Sequence[int]
    number: int = 0
    took: Took = lambda draws, block: None
    """Hears of each move."""
    passed: Took = lambda draws, block: None
    """Hears of the first particles on their way: they have drawn some pixels, and what lies behind is still to come."""
    image: Images = field(init=False)
    """(C, H, W), the right way up, after each step."""
    log_p: NDArray[np.float64] = field(init=False)
    """(K,): what each component says of the image after the last round, and its prior."""
    component: int = field(init=False)
    """The component that drew last."""
    start: Start = field(init=False)
    log_evidence_above: float = field(init=False)
    """ln of an estimate of p(given) that is expected to be too large, if the image is a draw from the posterior."""

    def __post_init__(self) -> None:
        self._next = self.number * SWEEPS_OF_CHAIN
        self._known_before: dict[int, NDArray[np.float64]] = {}
        self.began_with, self.is_lost = self.size, False

    @property
    def nats(self) -> float:
        """-ln p of the image after the last round."""
        return -float(self.mixture.whole(self.log_p[:, None])[0])

    def begin(self) -> Iterator[float]:
        """Draw candidates for the first image: after each step, how much of that is done, 0 to 1."""
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
        """True if hardly any first particle counted, and the likeliest is strange, where images are not small."""
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
        """Weigh the last images of a proposer. With a guide that is no member, estimates of p(given) are made by each
        alone, and the mean is taken: the guide may miss what the model finds likely. Members are parts of it."""
        k, sweep = found
        behind = log_sum(self._before(k)) + sweep.island.evidence()
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
        """The component of member k, or any for a guide's, that an image is likeliest by, of all that say log_p (K,) of
        it."""
        if k >= len(self.mixture.ways):
            return int(log_p.argmax())
        labels = len(self.mixture.ways[k].labels)
        return k * labels + int(log_p[k * labels : (k + 1) * labels].argmax())

    def _before(self, k: int) -> NDArray[np.float64]:
        """ln p of each label and of what is given before the hole in the order of member k."""
        if k not in self._known_before:
            self._known_before[k] = self.mixture.proposers[k].log_p_before(self.given)
        return self._known_before[k]

    def _first_labels(self, k: int, size: int) -> NDArray[np.int64] | None:
        """The labels of so many first particles of member k, evenly by p(label | given before the hole)."""
        if self.mixture.proposers[k].labels == [None]:
            return None
        return self._labels_at(k, (self._uniforms(1)[0] + np.arange(size)) / size)

    def _labels_at(self, k: int, uniforms: NDArray[np.float64]) -> NDArray[np.int64]:
        """The labels that uniform numbers in [0, 1) choose by p(label | given before the hole)."""
        return np.array(
            [
                self.mixture.proposers[k].labels[chosen(self._before(k), float(each))]
                for each in uniforms
            ]
        )

    def take(self, start: Start, i: int) -> None:
        """Go on from candidate i of a chain's start."""
        self.image, self.log_p, self.component = (
            start.images[i],
            start.log_p[:, i],
            start.components[i],
        )

    def _candidates(self, k: int, sweep: Sweep) -> Weighted:
        """Draw some of a sweep's last images by their weights; all of them count where no other component has a say."""
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
        """Draw the image anew so many times: after each step, how much of one round is done, 0 to 1."""
        for _ in range(count):
            for k, block in self._guiding():
                yield from self._guided(k, block)
            self.component = chosen(self.log_p, self._uniforms(1)[0])
            blocks = self._blocks()
            for done, block in enumerate(blocks):
                for share in self.move(block):
                    yield (done + share) / len(blocks)
            self.log_p = self.mixture.log_p(self.image[None], self.given.temperature)[
                :, 0
            ]

    def _guiding(self) -> Iterator[tuple[int, NDArray[np.bool_]]]:
        """Starts that propose images in each round, and the part (H, W) of the hole that each draws. With guides,
        all by those that draw most of it after all that is given: theirs is not the model's distribution. Where a
        mixture is lost, what lies behind a row, another each time: each comes last to what others came to first."""
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
        """Draw a part (H, W) of the hole anew by proposer k; what it draws is weighed by p(image) of the model over its
        own."""
        size = self.began_with // OF_TAIL if self.is_lost else self.size
        images, log_p, log_weights = yield from self._again(k, block, size)
        drawn = chosen(log_weights, self._uniforms(1)[0])
        self.image, self.log_p = images[drawn], log_p[:, drawn]
        self.took(Weighted(images, shares(log_weights)), block)

    def _again(
        self, k: int, block: NDArray[np.bool_], size: int
    ) -> Generator[
        float, None, tuple[Images, NDArray[np.float64], NDArray[np.float64]]
    ]:
        """Draw a part (H, W) of the hole by proposer k, the image so far among its particles: images, what each
        component says of them (K, N), and ln of weights (N,): of the whole hole, their sum estimates p(given)."""
        way, ways = self.mixture.proposers[k], self.mixture.ways
        number = (
            chosen(np.split(self.log_p, len(ways))[k], self._uniforms(1)[0])
            if k < len(ways)
            else 0
        )
        sweep = self._sweep(
            k, block, size, self.image, self._next_labels(k, number, block, size)
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
        """Estimate p(given) from the other side, with the image so far among the particles of the proposer whose own
        counted most: `log_evidence_above`. If those were draws of a guide, each for itself, they will do."""
        sums = [log_sum(log_weights) for log_weights, _ in self.start.parts]
        most = sums.index(max(sums))
        k, (drawn, _) = self.starts[most], self.start.parts[most]
        if k < len(self.mixture.ways) or given_behind(
            self.mixture.proposers[k].turned(self.given.keep)
        ):
            *_, log_weights = yield from self._again(k, ~self.given.keep, self.size)
            self.log_evidence_above = log_sum(log_weights)
            return
        log_p = self.log_p[:, None]
        own = self.mixture.proposed(k, self.image[None], log_p, self.given.temperature)
        weight = log_sum(self._before(k)) + self.mixture.whole(log_p) - own
        self.log_evidence_above = log_mean(
            np.append(drawn + log_count(drawn) + log_count(self.starts), weight)
        )

    def _blocks(self) -> list[NDArray[np.bool_]]:
        """The parts (H, W) of the hole that a round draws, one after the other; the right way up."""
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
        """Draw a part (H, W) of the hole anew, all else given: after each step, how much of that is done, 0 to 1."""
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
        """The labels of the particles of a move: all that of the image, the first of them; of the whole hole, where an
        image has other labels to choose from, the others' as of the first particles."""
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
    ) -> Sweep:
        number, self._next = self._next, self._next + 1
        return self.mixture.proposers[k].sweep(
            self.given, size, number, block, image, labels, passed
        )

    def _uniforms(self, count: int) -> NDArray[np.float64]:
        """Numbers in [0, 1) that no sweep uses."""
        number, self._next = self._next, self._next + 1
        return choice_noise(self.given.seed, self.given.sample, number, 0, 0, count)


def sizes_of(size: int, members: int, values: int) -> list[int]:
    """Particles of each member that begin a chain, and those that begin again where these were in vain."""
    again = OF_SMALL if values <= SMALL else OF_LARGER if values <= LARGER else 0
    return [size, again] if members > 1 and size < again else [size]


def seat(chains: Sequence[Chain], uniform: float) -> Weighted:
    """Give each chain its first image, of the candidates of all: by their weights, in even steps from a uniform number
    on, so that chains that are worth as much keep their own. Returns the candidates with their weights."""
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
    """How many equally weighted candidates would be worth as much as those of all starts: of each proposer's at most as
    many as counted of its particles at their worst."""
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
    """The one of several that a uniform number in [0, 1) chooses by their weights."""
    cumulative = np.cumsum(shares(log_weights))
    found = np.searchsorted(cumulative, uniform * cumulative[-1], side="right")
    return min(int(found), len(log_weights) - 1)
