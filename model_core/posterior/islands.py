"""Draw the images of a completion that needs particles, one after the other.

If one member of a mixture comes to the hole last and its draws have enough weight, it
draws the images (accepting.py). Otherwise each image is drawn by two chains that begin
independently (chain.py).
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from model_core.components import Component
from model_core.elementary import log_count, shares
from model_core.networks.pixel_network import PixelNetwork
from model_core.posterior.accepting import Accepting
from model_core.posterior.chain import FEW, Chain, counted, seat, sizes_of
from model_core.posterior.marginals import (
    START,
    Marginals,
    Part,
    Shares,
    SoFar,
    Weighted,
)
from model_core.posterior.mixture import Mixture, Way
from model_core.posterior.particles import StageParticles, Stages
from model_core.posterior.plan import given_behind, is_mostly_last
from model_core.posterior.receipt import (
    GOOD_APART,
    Island,
    Receipt,
    accepted_receipt,
    receipt_of,
)
from model_core.posterior.smc import Took
from model_core.posterior.targets import Target
from model_core.sampling.compiled.threads import run_together
from model_core.sampling.noise import choice_noise
from model_core.sampling.stages import stage_for

CHAINS = 2
"""Chains of each image. The difference between their results shows how good the image
is."""
STARTS = 2
"""Maximum number of proposers whose particles begin a chain."""
ALIKE_NATS = 0.5
"""If the estimates of p(given) of both chains differ by less, and enough particles have
weight, one round is enough."""
FAR_BETTER = 2
"""The order of a guide suits a hole far better than the members' if it leaves fewer
given pixels behind the hole's first pixel, by this factor."""
ENOUGH = 8.0
"""Effective sample size of the candidates of guides at which their choice is as good as
a round's."""
OF_GUIDED = 2
"""A round that begins with draws of a guide replaces this many other rounds."""
PREDICTED_ALONG = 16
"""Draws of a pool along which the member predicts pixels."""
AS_ONE_CHAIN = 2.0
"""Effective sample size of a pool that says as much about a pixel as one chain."""
CHOICE = (1 << 30) - 1
"""Number, among the sweeps of an image, of the noise that chooses between its
chains."""

StageOf = Callable[[PixelNetwork, int], StageParticles]
"""Return what draws so many particles of a network."""


class IslandsRun:
    """Draws the images of one completion, one after the other: `steps` or `draw` for
    each, and at last `receipt`. Images are upright.

    An image is drawn by two chains (`Chain`), or, in a mixture without labels, by
    rejection (`Accepting`) if one member comes to the hole last and its draws have
    enough weight. A particle is an unfinished image with a weight; several are drawn
    side by side.

    shares: the sums from which `receipt` makes the marginals.
    """

    def __init__(
        self,
        target: Target,
        seed: int,
        particles: int,
        sweeps: int,
        stages: Stages | None = None,
    ) -> None:
        """Prepare the stages, and draw nothing.

        target: what is completed; `needs_particles` is True for it.
        seed: of all images.
        particles: for each image, shared by its two chains. Each chain has half of
            them, at least 2, of each of up to two proposers (members or guides that
            begin it); a mixture may begin a second time with more (`sizes_of`). By
            rejection: the number of draws in the pool.
        sweeps: maximum number of rounds of a chain.
        stages: draw and score images; nothing else may use them until an image is
            there. Default: new ones. The bytes do not depend on them.
        """
        self._target = target
        self._seed = seed
        self._particles = particles
        self._sweeps = sweeps
        self._size = max(2, particles // CHAINS)
        stages = stages or Stages()
        self._mixture, self._starts = mixture_and_starts(target, self._size, stages.of)
        self._chained_by = ways_of_chains(
            target, self._size, stages, self._mixture, self._starts
        )
        self._accepting = self._accepting_by_the_last()
        self.shares = self._target.no_shares()
        self._so_far = SoFar(target.known, target.keep, target.categories)
        self._islands: list[Island] = []
        self._accepted_at_one: list[float] = []
        """-ln p at temperature 1 of each image that was drawn without a chain."""

    def draw(
        self, i: int, on_share: Callable[[float], None] = lambda share: None
    ) -> NDArray[np.int64]:
        """Return image i, (C, H, W). on_share is called with how much of it is done, 0
        to 1."""
        for step in self.steps(i):
            if isinstance(step, np.ndarray):
                return step
            on_share(step)
        raise AssertionError("the last step is the image")

    def steps(self, i: int) -> Iterator[float | NDArray[np.int64]]:
        """Draw image i in steps: yield after each step except the last how much is
        done, 0 to 1; with the last step yield the image, (C, H, W).

        Raises ImpossibleError if the member or guide that draws gives the given pixels
        no probability, even if another member does not.
        """
        accepting, begun = self._accepting, 0.0
        if accepting is not None and accepting.pool is None:
            begun = 0.5
            for done in accepting.begin():
                yield begun * done
            yield from self._expected(accepting)
        drawn = (
            self._accepted(accepting, i)
            if accepting is not None and accepting.suffices
            else self._chained(i)
        )
        for step in drawn:
            yield step if isinstance(step, np.ndarray) else begun + (1 - begun) * step

    def _accepted(
        self, accepting: Accepting, i: int
    ) -> Iterator[float | NDArray[np.int64]]:
        for step in accepting.steps(i):
            if isinstance(step, np.ndarray):
                nats = self._nats_at_one(step, accepting.nats[-1])
                self._accepted_at_one.append(nats)
            yield step

    def _nats_at_one(self, image: NDArray[np.int64], nats: float) -> float:
        """Return the nats at temperature 1 of an image (C, H, W) whose nats at the
        target's temperature are `nats`.

        At another temperature this takes a pass over the image. The pass is left out if
        there is no threshold for the result to be compared with; then `nats` is
        returned.
        """
        if self._target.temperature == 1 or self._target.strange_nats is None:
            return nats
        log_p = self._mixture.log_p(image[None], 1.0)
        return -float(self._mixture.whole(log_p)[0])

    def _accepting_by_the_last(self) -> Accepting | None:
        """Return what draws by the member that comes to the hole last, in a mixture
        without labels; None if there is no such member."""
        k = self._starts[0]
        way = self._mixture.proposers[k]
        if (
            not 1 < len(self._mixture.ways) > k
            or way.labels != [None]
            or given_behind(way.turned(self._target.keep))
        ):
            return None
        return Accepting(
            self._mixture,
            k,
            partial(self._target.given, self._seed),
            self._particles,
            self._size,
        )

    def _expected(self, accepting: Accepting) -> Iterator[float]:
        """Add to the marginals the pool's draws, and what its member predicts along
        some of them."""
        if accepting.suffices:
            (component,) = self._target.of_members[accepting.member]
            self.shares.add(
                accepting.draws(), ~self._target.keep, accepting.ess / AS_ONE_CHAIN
            )
            self._so_far.add(accepting.draws(), ~self._target.keep)
            for _ in self.shares.predicting(component, accepting.some(PREDICTED_ALONG)):
                yield 0.5

    def _chained(self, i: int) -> Iterator[float | NDArray[np.int64]]:
        given = self._target.given(self._seed, i)
        told = [self._target.no_shares() for _ in range(CHAINS)]
        heard: list[list[Part]] = [[] for _ in range(CHAINS)]
        chains = [
            Chain(
                mixture,
                given,
                self._size,
                self._starts,
                number,
                self._heard_by(told[number], heard[number]),
                told[number].pass_by,
            )
            for number, mixture in enumerate(self._chained_by)
        ]
        at_once = self._chained_by[0] is not self._chained_by[1]
        parts = CHAINS * (1 + self._sweeps)
        for done in stepped([chain.begin() for chain in chains], at_once):
            yield sum(1.0 if each is None else each for each in done) / parts
        for chain in chains:
            self._so_far.add(
                Weighted(chain.start.images, shares(chain.start.log_weights)),
                ~given.keep,
                START,
            )
        uniform, which = choice_noise(given.seed, given.sample, CHOICE, 0, 0, 2)
        draws, rounds = seat(chains, float(uniform)), self._rounds(chains)
        if not rounds or self._ess(chains) >= FEW:
            for each in told:
                each.add(draws, ~given.keep)
                self._so_far.add(draws, ~given.keep)
        for done in stepped([chain.rounds(rounds) for chain in chains], at_once):
            self._hear(heard, done)
            drawn = sum(rounds if each is None else each for each in done)
            yield (CHAINS + drawn) / (CHAINS * (1 + rounds))
        self._hear(heard, [None] * CHAINS)
        arrived = arrived_of(chains)
        for number in arrived:
            for component in self._predicting(chains[number]):
                for _ in told[number].predicting(component, chains[number].image[None]):
                    yield 1.0
            self.shares.merge(told[number])
        chain = chains[arrived[int(which * len(arrived))]]
        for _ in chain.look_back():
            yield 1.0
        yield self._taken(chains, chain)

    def _heard_by(self, told: Shares, waiting: list[Part]) -> Took:
        """Make what hears of a chain's moves: its own shares, and what is expected so
        far, to which its part is added by `_hear`."""

        def heard(draws: Weighted, block: NDArray[np.bool_]) -> None:
            told.add(draws, block)
            waiting.append(self._so_far.part_of(draws, block))

        return heard

    def _hear(self, heard: list[list[Part]], done: Sequence[float | None]) -> None:
        """Add what chains have drawn to what is expected so far: those of a chain once
        all chains before it have ended, as if they were drawn one after the other."""
        for waiting, its_share in zip(heard, done, strict=True):
            for part in waiting:
                self._so_far.take(part)
            waiting.clear()
            if its_share is not None:
                return

    def expected_so_far(self) -> NDArray[np.float64] | None:
        """Return the expected value (C, H, W) of each variable so far (of categories
        the likeliest one), or None if nothing has changed since the last call. Given
        pixels have their value. Call it between two steps. It does not influence the
        images."""
        return self._so_far.news()

    def _predicting(self, chain: Chain) -> Iterator[Component]:
        """Yield the components whose predictions along a chain's image are used: the
        likeliest of each member."""
        for components, log_p in zip(
            self._target.of_members,
            np.split(chain.log_p, len(self._target.of_members)),
            strict=True,
        ):
            yield components[int(log_p.argmax())]

    def _rounds(self, chains: list[Chain]) -> int:
        """Return the number of rounds of both chains. It is decided before the first
        round, so that it does not depend on the images."""
        first, second = (chain.start for chain in chains)
        ess = self._ess(chains)
        if self._mixture.guides:
            return (
                0
                if ess >= max(ENOUGH, self._size / 2)
                else (self._sweeps + 1) // OF_GUIDED
            )
        many = ess >= self._size / 4
        agree = abs(first.log_evidence - second.log_evidence) < ALIKE_NATS
        return min(1, self._sweeps) if many and agree else self._sweeps

    def _taken(self, chains: list[Chain], chain: Chain) -> NDArray[np.int64]:
        component = self._target.components[chain.component]
        self._islands.append(
            Island(
                component.orientation,
                component.label,
                chain.nats,
                [each.nats for each in chains],
                [each.start.log_evidence for each in chains],
                chain.log_evidence_above,
                self._ess(chains),
                min(each.start.distinct for each in chains),
                sum(each.began_with for each in chains),
                self._nats_at_one(chain.image, chain.nats),
            )
        )
        return chain.image

    def _ess(self, chains: Sequence[Chain]) -> float:
        starts = [chain.start for chain in chains]
        return (
            counted(starts)
            if self._mixture.guides
            else min(start.least_ess for start in starts)
        )

    def receipt(self) -> tuple[Receipt, Marginals]:
        """Return the receipt of all images that were drawn, at least one, and the
        marginals."""
        strange, values = self._target.strange_nats, self._target.values
        noise_nats = self._target.known.size * log_count(range(values))
        accepting = self._accepting
        if accepting is not None and accepting.nats:
            orientation = self._mixture.ways[accepting.member].orientation
            found = accepted_receipt(
                accepting, orientation, self._accepted_at_one, strange, noise_nats
            )
        else:
            found = receipt_of(self._islands, strange, values, noise_nats)
        return found, self.shares.result()


def stepped(
    chains: Sequence[Iterator[float]], at_once: bool
) -> Iterator[list[float | None]]:
    """Take the steps of several chains: iterators that each yield how much of them is
    done, 0 to 1. After each step (if at_once, after a step of each chain) yield a list
    with one entry per chain: its last share, 0 if it has not begun, None if it has
    ended.

    at_once: True to take a step of each chain at the same time, in one thread each;
        False to take all steps of a chain before the next begins.

    If a step raises, the exception is raised here after the other threads' steps; if
    several do, the first chain's.
    """
    done: list[float | None] = [0.0] * len(chains)
    left = list(range(len(chains)))

    def step(number: int) -> int:
        done[number] = next(chains[number], None)
        return done[number] is not None

    while left:
        several = left if at_once else left[:1]
        calls = [partial(step, number) for number in several]
        run_together(calls[:1], calls[1:])
        left = [number for number in left if done[number] is not None]
        if any(done[number] is not None for number in several):
            yield list(done)


def arrived_of(chains: Sequence[Chain]) -> list[int]:
    """Return the indices, ascending, of the chains that count: those whose image has at
    most GOOD_APART (25) more nats (`Chain.nats`) than the image with the fewest. The
    others count as not converged.

    chains: at least one, each with an image (`Chain.take`).
    """
    least = min(chain.nats for chain in chains)
    return [
        number
        for number, chain in enumerate(chains)
        if chain.nats <= least + GOOD_APART
    ]


def mixture_and_starts(
    target: Target, size: int, stage_of: StageOf
) -> tuple[Mixture, list[int]]:
    """Return the mixture of a target, which draws and scores its images; and the
    indices, in mixture.proposers, of the one or two proposers (members or guides) that
    begin a chain, the best first. Those are the ones whose orders leave the fewest
    given pixels behind the hole's first one.

    size: particles that each network draws side by side.
    stage_of: stage_of(network, size) returns what draws up to `size` particles of a
        network.

    A guide that is no member begins a chain only if its order suits the hole far better
    than the members', or if it draws most of the hole after all given pixels. With
    guides, a member that draws the whole hole last begins alone.
    """
    members = {}
    for components in target.of_members:
        members[components[0].member] = way_of(components, size, stage_of)
    guides = []
    for guide in target.guides:
        if guide in members:
            guides.append(members[guide])
        else:
            guides.append(way_of([Component(guide)], size, stage_of))
    mixture = Mixture([*members.values()], guides)

    # In the order of each proposer: the members first, then the guides.
    kept = [way.turned(target.keep) for way in mixture.proposers]
    behind = [given_behind(keep) for keep in kept]
    far_better = min(behind[: len(members)]) / FAR_BETTER
    suited_guides = [
        k
        for k in range(len(members), len(kept))
        if behind[k] <= far_better or is_mostly_last(kept[k])
    ]
    fit = [*range(len(members)), *suited_guides]
    if len(fit) == 1:
        return Mixture(mixture.ways), fit

    fit.sort(key=behind.__getitem__)
    best = fit[0]
    if guides and best < len(members) and behind[best] == 0:
        return mixture, [best]
    return mixture, fit[:STARTS]


def ways_of_chains(
    target: Target,
    size: int,
    stages: Stages,
    mixture: Mixture,
    starts: Sequence[int],
) -> list[Mixture]:
    """Return a mixture for each of the two chains of an image. They are distinct, with
    stages of their own, if both chains can be drawn at the same time: `stages` allows
    two sweeps, and no chain may begin again with more particles (`sizes_of`), which
    would take twice the memory. Otherwise both are the object `mixture`, and one chain
    must be drawn after the other.

    target: what is completed.
    size: particles of each proposer of a chain.
    stages: what draws particles; not used by anything else.
    mixture, starts: what `mixture_and_starts` returned for this target and size, and
        for stages.of.
    """
    guides = [[Component(guide)] for guide in target.guides]
    networks = [
        network
        for (component, *_) in [*target.of_members, *guides]
        if isinstance(network := component.network, PixelNetwork)
    ]
    again = sizes_of(size, len(starts), target.known.size)
    # A chain that may begin again has more particles then than there is memory for
    # twice.
    if len(again) > 1 or stages.sweeps_at_once(networks) < CHAINS:
        return [mixture] * CHAINS
    for network in networks:
        stages.of(network, size)  # by the thread that asks, and not by those that draw
    return [
        mixture_and_starts(target, size, stages.of_sweep(number))[0]
        for number in range(CHAINS)
    ]


def way_of(components: Sequence[Component], size: int, stage_of: StageOf) -> Way:
    """Return a `Way`, which draws and scores images by one member.

    components: of this one member, at least one; not Multi-Scale.
    size: number of particles that are drawn side by side.
    stage_of: stage_of(network, size) returns what draws up to `size` particles of a
        network; it is not called now.
    """
    network = components[0].network
    assert isinstance(network, PixelNetwork), "a Multi-Scale model has no posterior"
    within_rows = stage_for(network).stops_within_rows
    return Way(
        components[0].orientation,
        partial(stage_of, network),
        within_rows,
        components,
        size,
    )
