"""Completions of one picture: which member, exact or by particles, and the receipt that says how good they are.

`complete` does it all at once. A service goes step by step: `plan` decides, then what needs no particles is drawn
like any image and handed to `drawn_receipt`; else it is an `IslandsRun`.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import lru_cache
from itertools import count
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.errors import ConfigError, DataError
from model_core.models import Member, Model
from model_core.networks.pixel_network import PixelNetwork
from model_core.orientation import Orientation, turn, turn_back
from model_core.posterior.chain import Chain, Way
from model_core.posterior.elementary import log_mean
from model_core.posterior.marginals import Marginals, MarginalSum
from model_core.posterior.particles import StageParticles
from model_core.posterior.plan import best_member, contrary_member, first_hole, given_behind
from model_core.posterior.smc import Hole
from model_core.sampling.offline import OnRow, sample
from model_core.sampling.stages import stage_for

Method = Literal["posterior", "clamp"]
OnShare = Callable[[float], None]
PARTICLES, MAX_PARTICLES = 32, 256
SWEEPS, MAX_SWEEPS = 2, 16


@dataclass(frozen=True)
class Receipt:
    """How good the images of a completion are."""

    exact: bool
    """Each is a draw from the model's own p(hole | everything given). A draw of one member of a mixture is not: that
    member's p_k(hole | everything given) is another distribution, also where it needs no particles."""
    member: Orientation
    """The member k of the model in whose order the hole was drawn."""
    particles: int = 0
    """Particles of each image; 0 when none were needed."""
    ess: float | None = None
    """The smallest effective sample size on the way, of any image's particles."""
    distinct: int | None = None
    """Number of its first particles from which an image's last ones descend: the smallest over the images."""
    evidence_nats: float | None = None
    """-ln of the estimate of p_k(given); exact when nothing given lies behind the hole. Where a completion proves that
    the estimate is too high, since p_k(given) is at least p_k(completed), what it proves."""
    evidence_sd: float | None = None
    """The standard deviation of the images' own estimates, in nats; None for one image."""

    def to_dict(self) -> dict[str, Any]:
        """The receipt as JSON takes it."""
        return asdict(self)


@dataclass(frozen=True)
class Completion:
    """Images drawn into a hole, and what is known of how well."""

    values: Tensor
    """(n, C, H, W), int64."""
    receipt: Receipt
    mean: Tensor | None
    """(C, H, W): the expected value of each variable; None of a clamp."""
    entropy_bits: Tensor | None
    """(C, H, W): how uncertain each variable is, 0 where it is given; None of a clamp."""

    @property
    def exact(self) -> bool:
        return self.receipt.exact

    @property
    def member(self) -> Orientation:
        return self.receipt.member

    @property
    def ess(self) -> float | None:
        return self.receipt.ess

    @property
    def distinct(self) -> int | None:
        return self.receipt.distinct

    @property
    def evidence_nats(self) -> float | None:
        return self.receipt.evidence_nats

    @property
    def evidence_sd(self) -> float | None:
        return self.receipt.evidence_sd


@dataclass(frozen=True)
class Plan:
    """The member of a model that completes a picture, and what is given, in that member's orientation."""

    k: int
    """The member's number."""
    member: Member
    known: NDArray[np.int64]
    """(C, H, W)"""
    keep: NDArray[np.bool_]
    """(H, W), True = given."""
    temperature: float
    alone: bool
    """The model has no other member."""
    contrary: "Plan | None" = None
    """The same for the member that comes to the hole most nearly the other way round, if there is another."""

    @property
    def needs_particles(self) -> bool:
        """True if anything given lies behind the hole's first pixel. Else one draw is exact, of this member."""
        return given_behind(self.keep) > 0

    @property
    def network(self) -> PixelNetwork:
        assert isinstance(self.member.network, PixelNetwork), "a Multi-Scale model has no posterior"
        return self.member.network

    @property
    def nats_before_hole(self) -> float:
        """-ln p_T of what is given before the hole's first pixel, which no particle need weigh; a dense pass."""
        before = torch.from_numpy(np.arange(self.keep.size).reshape(self.keep.shape) < first_hole(self.keep))
        known = torch.from_numpy(self.known)[None].to(self.network.input.bias.device)
        with torch.inference_mode():
            logits = self.network(known).cpu()  # (1, V, C, H, W)
            log_p = self.network.distribution.log_probabilities(logits, self.temperature)
        given = log_p.gather(1, known.cpu()[:, None])[0, 0]  # (C, H, W)
        return -float(given[:, before].sum())


def complete(
    model: Model,
    known: Tensor,
    keep: Tensor,
    n: int,
    seed: int,
    temperature: float = 1.0,
    method: Method | str = "posterior",
    particles: int = PARTICLES,
    sweeps: int = SWEEPS,
    on_share: OnShare = lambda share: None,
) -> Completion:
    """Draw n images (n, C, H, W) that agree with known (C, H, W) values where keep (H, W) is True.

    posterior: from p_k(hole | everything given), of the member k in whose order the fewest given pixels lie behind the
    hole's first. With none behind, each image is one draw of that member, which is exact; else an island of `particles`
    draws each, and `sweeps` conditional sweeps bring it closer (chain.py). clamp: the first member draws each pixel of
    the hole given what is above and left of it in its order, which is exact only where nothing given lies behind.
    on_share hears how much of the drawing is done, 0 to 1.

    Raises DataError for shapes that do not fit, ConfigError for another method, number of particles or of sweeps, or a
    model that has no posterior; ImpossibleError when the model gives what is given no probability.
    """
    _check(model, known, keep, method, particles, sweeps)
    on_row = share_of_rows(n * model.config.height, on_share)
    if method == "clamp":
        values = sample(model, n, seed, temperature, known, keep, on_row)
        exact = len(model.members) == 1 and not given_behind(turn(keep, model.members[0].orientation).numpy())
        return Completion(values, Receipt(exact, model.members[0].orientation), None, None)
    planned = plan(model, known.numpy(), keep.numpy(), temperature)
    if not planned.needs_particles:
        values = sample(model, n, seed, temperature, known, keep, on_row, planned.k)
        return _completion(values, *drawn_receipt(planned, values.numpy()))
    run = IslandsRun(planned, seed, particles, sweeps)
    images = [run.draw(i, lambda done, i=i: on_share((i + done) / n)) for i in range(n)]
    return _completion(torch.from_numpy(np.stack(images)), *run.receipt())


def share_of_rows(rows: int, on_share: OnShare) -> OnRow:
    """Make a function that is told each row as it becomes final, and tells the share of the rows."""
    numbers = count(1)
    return lambda *_: on_share(next(numbers) / rows)


def plan(model: Model, known: NDArray[np.integer], keep: NDArray[np.bool_], temperature: float) -> Plan:
    """How a picture, known (C, H, W) values where keep (H, W) is True, is to be completed."""
    orientations: list[Orientation] = [member.orientation for member in model.members]
    k = best_member(keep, orientations)
    other = contrary_member(keep, orientations, k)
    contrary = None if other is None else _plan_of(model, other, known, keep, temperature)
    return replace(_plan_of(model, k, known, keep, temperature), contrary=contrary)


def _plan_of(model: Model, k: int, known: NDArray[np.integer], keep: NDArray[np.bool_], temperature: float) -> Plan:
    member = model.members[k]
    turned = turn(known, member.orientation), turn(keep, member.orientation)
    known, keep = np.ascontiguousarray(turned[0], np.int64), np.ascontiguousarray(turned[1])
    return Plan(k, member, known, keep, temperature, alone=len(model.members) == 1)


def drawn_receipt(planned: Plan, values: NDArray[np.integer]) -> tuple[Receipt, Marginals]:
    """The receipt of exact draws (n, C, H, W): a teacher-forced pass over them, and one over what is given."""
    *_, found = drawn_receipt_steps(planned, values)
    assert found is not None
    return found


def drawn_receipt_steps(planned: Plan, values: NDArray[np.integer]) -> Iterator[tuple[Receipt, Marginals] | None]:
    """The same in steps, each a pass over some of the draws; the last one brings what there is to say."""
    sums = MarginalSum(planned.network, planned.keep, planned.temperature)
    turned = np.ascontiguousarray(turn(values, planned.member.orientation), np.int64)
    yield from sums.adding(turned, np.full(len(turned), 1 / len(turned)))
    receipt = Receipt(planned.alone, planned.member.orientation, evidence_nats=planned.nats_before_hole)
    yield receipt, _upright(sums.result(), planned)


class IslandsRun:
    """An island of particles for each image of a completion, one after the other."""

    def __init__(
        self,
        planned: Plan,
        seed: int,
        particles: int,
        sweeps: int,
        stage_of: Callable[[PixelNetwork, int], StageParticles] | None = None,
    ) -> None:
        """stage_of(network, particles): what draws an island, asked for as each sweep begins, and nobody else's until
        that island's image is there; the run's own when not given."""
        self._planned = planned
        self._plans = [planned] if planned.contrary is None else [planned, planned.contrary]
        self._seed = seed
        self._particles = particles
        self._sweeps = sweeps
        self._stage_of = stage_of or lru_cache(2)(StageParticles)
        self._sums = MarginalSum(planned.network, planned.keep, planned.temperature)
        self._ess: list[float] = []
        self._distinct: list[int] = []
        self._nats: list[float] = []
        self._proven = np.inf
        """The least nats of a whole completion: what is given cannot have more."""

    def draw(self, i: int, on_share: OnShare = lambda share: None) -> NDArray[np.int64]:
        """Image i (C, H, W), the right way up, all at once."""
        for step in self.steps(i):
            if isinstance(step, np.ndarray):
                return step
            on_share(step)
        raise AssertionError("the last step is the image")

    def steps(self, i: int) -> Iterator[float | NDArray[np.int64]]:
        """Draw image i: after each step but the last how much of it is done, 0 to 1; at last the image (C, H, W)."""
        chain = Chain([self._way(planned, i) for planned in self._plans], self._particles, self._sweeps)
        yield from chain.steps()
        assert chain.image is not None
        assert chain.last is not None
        for _ in self._sums.adding(*chain.last):
            yield 1.0
        self._take_in(chain)
        yield chain.image

    def _way(self, planned: Plan, i: int) -> Way:
        hole = Hole(planned.known, planned.keep, self._seed, i, planned.temperature)
        within_rows = stage_for(planned.network).stops_within_rows
        return Way(
            planned.member.orientation, hole, lambda: self._stage_of(planned.network, self._particles), within_rows
        )

    def _take_in(self, chain: Chain) -> None:
        self._ess.append(chain.least_ess)
        self._distinct.append(chain.distinct)
        self._nats.append(-chain.log_evidence)
        self._proven = min(self._proven, -chain.log_p)

    def receipt(self) -> tuple[Receipt, Marginals]:
        """The receipt of all images that were drawn, at least one."""
        planned, nats = self._planned, np.array(self._nats) + self._planned.nats_before_hole
        receipt = Receipt(
            exact=False,
            member=planned.member.orientation,
            particles=self._particles,
            ess=min(self._ess),
            distinct=min(self._distinct),
            evidence_nats=min(-log_mean(-nats), self._proven),
            evidence_sd=float(nats.std(ddof=1)) if len(nats) > 1 else None,
        )
        return receipt, _upright(self._sums.result(), planned)


def _upright(found: Marginals, planned: Plan) -> Marginals:
    orientation = planned.member.orientation
    return Marginals(turn_back(found.mean, orientation), turn_back(found.entropy_bits, orientation))


def _completion(values: Tensor, receipt: Receipt, found: Marginals) -> Completion:
    maps = (torch.from_numpy(np.ascontiguousarray(each)) for each in (found.mean, found.entropy_bits))
    return Completion(values, receipt, *maps)


def _check(model: Model, known: Tensor, keep: Tensor, method: str, particles: int, sweeps: int) -> None:
    config = model.config
    shape = config.channels, config.height, config.width
    if known.shape != shape or keep.shape != shape[1:]:
        raise DataError(
            f"known and keep must be {shape} and {shape[1:]}, not {tuple(known.shape)} and {tuple(keep.shape)}"
        )
    if method not in ("posterior", "clamp"):
        raise ConfigError(f"unknown method {method!r}: expected posterior or clamp")
    if method == "posterior" and config.multi_scale:
        raise ConfigError(f"{model.card.name} is a Multi-Scale model, which has no posterior: expected method clamp")
    if not 1 <= particles <= MAX_PARTICLES:
        raise ConfigError(f"particles must be from 1 to {MAX_PARTICLES}, not {particles}")
    if not 0 <= sweeps <= MAX_SWEEPS:
        raise ConfigError(f"sweeps must be from 0 to {MAX_SWEEPS}, not {sweeps}")
