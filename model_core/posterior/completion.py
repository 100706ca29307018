"""Completions of one picture: which member, exact or by particles, and the receipt that says how good they are."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.errors import ConfigError, DataError
from model_core.models import Member, Model
from model_core.networks.pixel_network import PixelNetwork
from model_core.orientation import Orientation, turn, turn_back
from model_core.posterior.marginals import marginals
from model_core.posterior.particles import StageParticles
from model_core.posterior.plan import best_member, first_hole, given_behind
from model_core.posterior.smc import Hole, IslandRun
from model_core.sampling.offline import sample
from model_core.sampling.stages import stage_for

Method = Literal["posterior", "clamp"]
PARTICLES, MAX_PARTICLES, MAX_SWEEPS = 32, 256, 16


@dataclass(frozen=True)
class Completion:
    """Images drawn into a hole, and what is known of how well."""

    values: Tensor
    """(n, C, H, W), int64."""
    exact: bool
    """Whether each image is a draw from p_k(hole | everything given); else particles come close to it."""
    member: Orientation
    """The member k of the model in whose order the hole was drawn."""
    particles: int
    """Of each image; 0 when none were needed."""
    ess: float | None
    """The smallest effective sample size on the way, of any image's particles."""
    distinct: int | None
    """From how many of its first particles an image's last ones descend: the smallest."""
    evidence_nats: float | None
    """-ln of the estimate of p_k(given), which is unbiased in p; exact when nothing given lies behind the hole."""
    evidence_sd: float | None
    """The standard deviation of the images' own estimates, in nats; None for one image."""
    mean: Tensor | None
    """(C, H, W): the expected value of each variable; None of a clamp."""
    entropy_bits: Tensor | None
    """(C, H, W): how uncertain each variable is, 0 where it is given; None of a clamp."""

    @property
    def receipt(self) -> dict[str, Any]:
        """What stands beside the images in a job's result: how good they are, as JSON takes it."""
        names = "exact", "member", "particles", "ess", "distinct", "evidence_nats", "evidence_sd"
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True)
class _Request:
    """What is to be completed, in the orientation of the member that draws it."""

    known: NDArray[np.int64]
    keep: NDArray[np.bool_]
    n: int
    seed: int
    temperature: float
    particles: int
    sweeps: int


def complete(
    model: Model,
    known: Tensor,
    keep: Tensor,
    n: int,
    seed: int,
    temperature: float = 1.0,
    method: Method = "posterior",
    particles: int = PARTICLES,
    sweeps: int = 0,
) -> Completion:
    """Draw n images (n, C, H, W) that agree with known (C, H, W) values where keep (H, W) is True.

    posterior: from p_k(hole | everything given), of the member k in whose order the fewest given pixels lie behind the
    hole's first. With none behind, each image is one exact draw; else an island of `particles` draws each, and `sweeps`
    conditional sweeps bring it closer. clamp: the first member draws each pixel of the hole given what is above and
    left of it in its order, which is exact only where nothing given lies behind.

    Raises DataError for shapes that do not fit, ConfigError for another method, number of particles or of sweeps, or a
    model that has no posterior; ImpossibleError when the model gives what is given no probability.
    """
    _check(model, known, keep, method, particles, sweeps)
    k = best_member(keep.numpy(), [m.orientation for m in model.members]) if method == "posterior" else 0
    orientation = model.members[k].orientation
    request = _Request(
        known=np.ascontiguousarray(turn(known, orientation).numpy(), np.int64),
        keep=np.ascontiguousarray(turn(keep, orientation).numpy()),
        n=n,
        seed=seed,
        temperature=temperature,
        particles=particles,
        sweeps=sweeps,
    )
    if method == "clamp":
        return _clamped(model, known, keep, request)
    if not given_behind(request.keep):
        return _exact(model, k, known, keep, request)
    return _weighted(model.members[k], request)


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


def _clamped(model: Model, known: Tensor, keep: Tensor, request: _Request) -> Completion:
    """Each image drawn in the order of the first member, given or not what lies behind."""
    return Completion(
        values=sample(model, request.n, request.seed, request.temperature, known, keep),
        exact=not given_behind(request.keep),
        member=model.members[0].orientation,
        particles=0,
        ess=None,
        distinct=None,
        evidence_nats=None,
        evidence_sd=None,
        mean=None,
        entropy_bits=None,
    )


def _exact(model: Model, k: int, known: Tensor, keep: Tensor, request: _Request) -> Completion:
    """One draw for each image, in the order of member k, in which nothing given lies behind the hole."""
    member = model.members[k]
    values = sample(model, request.n, request.seed, request.temperature, known, keep, member=k)
    turned = np.ascontiguousarray(turn(values, member.orientation).numpy())
    return Completion(
        values=values,
        exact=True,
        member=member.orientation,
        particles=0,
        ess=None,
        distinct=None,
        evidence_nats=_nats_before_hole(_network(member), request),
        evidence_sd=None,
        **_maps(member, turned, np.full(request.n, 1 / request.n), request),
    )


def _weighted(member: Member, request: _Request) -> Completion:
    """An island of particles for each image."""
    network, runs = _network(member), []
    particles, within_rows = StageParticles(network, request.particles), stage_for(network).stops_within_rows
    for i in range(request.n):
        hole = Hole(request.known, request.keep, request.seed, i, request.temperature)
        run = IslandRun(particles, hole, request.particles, request.sweeps, within_rows)
        while not run.finished:
            run.step()
        runs.append(run)
    images, weights = zip(*(run.weighted_images() for run in runs), strict=True)
    values = torch.from_numpy(np.stack([run.image for run in runs if run.image is not None]))
    nats = np.array([-run.log_evidence for run in runs]) + _nats_before_hole(network, request)
    return Completion(
        values=turn_back(values, member.orientation),
        exact=False,
        member=member.orientation,
        particles=request.particles,
        ess=min(run.least_ess for run in runs),
        distinct=min(run.distinct for run in runs),
        evidence_nats=float(nats.min() - np.log(np.exp(nats.min() - nats).mean())),
        evidence_sd=float(nats.std(ddof=1)) if len(nats) > 1 else None,
        **_maps(member, np.concatenate(images), np.concatenate(weights) / len(runs), request),
    )


def _nats_before_hole(network: PixelNetwork, request: _Request) -> float:
    """-ln p_T of what is given before the hole's first pixel, which no particle need weigh: one teacher-forced pass."""
    before = torch.from_numpy(np.arange(request.keep.size).reshape(request.keep.shape) < first_hole(request.keep))
    known = torch.from_numpy(request.known)[None].to(network.input.bias.device)
    with torch.inference_mode():
        log_p = torch.log_softmax(network(known).double().cpu() / request.temperature, 1)  # (1, V, C, H, W)
    given = log_p.gather(1, known.cpu()[:, None])[0, 0]  # (C, H, W)
    return -float(given[:, before].sum())


def _maps(
    member: Member, images: NDArray[np.int64], weights: NDArray[np.float64], request: _Request
) -> dict[str, Tensor]:
    """mean and entropy_bits, turned back."""
    found = marginals(_network(member), images, weights, request.keep, request.temperature)
    maps = {"mean": found.mean, "entropy_bits": found.entropy_bits}
    return {name: turn_back(torch.from_numpy(each), member.orientation) for name, each in maps.items()}


def _network(member: Member) -> PixelNetwork:
    assert isinstance(member.network, PixelNetwork)  # others were refused
    return member.network
