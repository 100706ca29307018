"""The label of a picture, or of the given part of one: p(label | given), by Bayes'
rule.

    p(k | given)  is proportional to  prior_k p(given | k)

This is exact for a whole picture, and if the given pixels come first in the order of
every member: one pass for each component. Otherwise particles that all have label k
estimate p(given | k), twice; the difference of the two estimates shows how good the
answer is.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.components import BATCH, Component, by_label, nats_maps
from model_core.elementary import deviation, exp, log, log_count, log_sum
from model_core.errors import ConfigError, DataError
from model_core.models import Model
from model_core.networks import PixelNetwork
from model_core.orientation import Orientation, turn
from model_core.posterior.chain import Chain, Start, counted
from model_core.posterior.islands import (
    mixture_and_starts,
    stepped,
    ways_of_chains,
)
from model_core.posterior.mixture import Given, Mixture, Way, summed
from model_core.posterior.particles import Stages
from model_core.posterior.plan import given_behind
from model_core.posterior.receipt import GOOD_ESS, Quality, worst_of
from model_core.posterior.targets import Target
from model_core.sampling.label_choice import log_p_leading
from model_core.sampling.stages import compiled_loops

Floats = NDArray[np.float64]
GOOD_APART, ROUGH_APART = 0.05, 0.15
"""Maximum difference of the two estimates of any label's p, for `good` and for
`rough`."""
LABELS_A_STEP = 8
"""Labels that one step compares side by side: more make it longer, and hardly
cheaper."""
ESTIMATES = 2
"""Number of independent estimates."""
MOST = 0.5
"""Each of N weighted images has at most this share of the sum, divided by the square
root of N."""
PRIOR_PARTICLES: dict[Quality, float] = {"good": 0.1, "rough": 0.3, "poor": 1.0}
"""By quality: the number of particles as which the prior counts, in addition to those
of one estimate. docs/internals/labels.md says how they were chosen."""


@dataclass(frozen=True)
class Classification:
    """The probabilities of K labels for B pictures, of each of which some or all pixels
    are given.

    They are computed exactly, or estimated twice by particles, each time by new ones.
    The standard deviations are those of the two estimates.
    """

    p: Floats
    """(B, K): p(label | given); each row adds up to 1. If estimated, the labels' priors
    are mixed in as a few particles, so that no label is impossible or certain."""
    nats: Floats
    """(B, K): -ln p(given | label)."""
    total_nats: Floats
    """(B,): -ln p(given) under the whole model; large if a picture suits no label."""
    sd: Floats | None = None
    """(B, K): standard deviation of the two estimates of `nats`; None if these are
    exact."""
    p_sd: Floats | None = None
    """(B, K): standard deviation of the two estimates of p(label | given); None if
    these are exact."""
    quality: Quality = "exact"
    """`exact`, or for estimates `good`, `rough` or `poor`: by how much the two
    estimates of any label's probability differ, and by the effective sample size. Of
    several pictures the worst."""

    @property
    def exact(self) -> bool:
        """True if the probabilities are computed, not estimated."""
        return self.sd is None


def classify(
    model: Model,
    values: Tensor,
    keep: Tensor | None = None,
    seed: int = 0,
    particles: int = 32,
) -> Classification:
    """Return the classification of pictures: p(label | given) of each.

    values: (B, C, H, W), or (C, H, W) for one (B = 1), integers 0..V-1, in main memory.
    keep: bool (H, W), the pixels that are given in all of them; in main memory.
        Default: all.
    seed: of the noise of particles, 0 to 2^64 - 1.
    particles: number for each label of each member, if particles are needed; if a guide
        draws, for each of the one or two networks that draw. Each of the two estimates
        uses half of them, at least 2.

    Raises ConfigError for a model without labels, and for a Multi-Scale model if `keep`
    leaves out pixels; DataError for other shapes; ImpossibleError if the given pixels
    have no probability.
    """
    _check(model, values, keep)
    pictures = values if values.ndim == 4 else values[None]
    mask = torch.ones(pictures.shape[2:], dtype=torch.bool) if keep is None else keep
    if can_be_exact([member.orientation for member in model.members], mask.numpy()):
        parts = [_exact(model, part, mask) for part in pictures.split(BATCH)]
        return _told(np.concatenate(parts), model)
    found = [
        _last(classify_steps(model, each, mask.numpy(), seed, particles))
        for each in pictures.numpy()
    ]
    return _joined(found)


def can_be_exact(orientations: Sequence[Orientation], keep: NDArray[np.bool_]) -> bool:
    """Return True if no particles are needed to classify a picture: for every member,
    the given pixels come before all others in its order.

    orientations: of the members.
    keep: bool (H, W), upright, True for given pixels.
    """
    return not any(
        given_behind(turn(keep, orientation)) for orientation in orientations
    )


def classify_steps(
    model: Model,
    values: NDArray[np.integer],
    keep: NDArray[np.bool_],
    seed: int = 0,
    particles: int = 32,
    stages: Stages | None = None,
) -> Iterator[float | Classification]:
    """Classify one picture in steps: yield after each how much is done, 0 to 1, and at
    last the Classification, with B = 1.

    values: (C, H, W), integers 0..V-1.
    keep: bool (H, W), True for given pixels.
    seed, particles: as for `classify`.
    stages: draw the particles; nothing else may use them meanwhile. Default: new ones.

    Raises ConfigError, DataError or ImpossibleError like `classify`.
    """
    _check(model, torch.from_numpy(values), torch.from_numpy(keep))
    target = Target.of(model, values, keep, 1.0)
    if can_be_exact([member.orientation for member in model.members], keep):
        if not _is_by_loops(model):
            image = torch.from_numpy(target.known)[None]
            yield _told(_exact(model, image, torch.from_numpy(target.keep)), model)
            return
        parts: list[Floats] = []
        for part in _log_p_of_labels(model, target.known, target.keep):
            parts.append(part)
            yield sum(map(len, parts)) / len(target.components)
        yield _told(_by_label(np.concatenate(parts), model)[None], model)
        return
    size, count = max(2, particles // ESTIMATES), len(target.components)
    stages = stages or Stages()
    mixture, starts = mixture_and_starts(target, size, stages.of)
    given = target.given(seed)
    mixtures = ways_of_chains(target, size, stages, mixture, starts)
    at_once = mixtures[0] is not mixtures[1]
    if max(starts) >= len(mixture.ways):
        chains = [
            Chain(each, given, size, starts, i) for i, each in enumerate(mixtures)
        ]
        yield from _by_guides(chains, model, at_once)
        return
    log_p, ess = np.zeros((2, ESTIMATES, count))
    estimates = [
        _by_labels(each, given, size, i * count, log_p[i], ess[i])
        for i, each in enumerate(mixtures)
    ]
    for done in stepped(estimates, at_once):
        yield sum(1.0 if each is None else each for each in done) / ESTIMATES
    joint = [
        _by_label(each, model) for each in (*log_p, summed(log_p) - log_count(log_p))
    ]
    yield _estimated(
        joint, ess[:, int(joint[-1].argmax()) :: model.config.labels].min(), size, model
    )


def _by_labels(
    mixture: Mixture,
    given: Given,
    size: int,
    first: int,
    log_p: Floats,
    ess: Floats,
) -> Iterator[float]:
    """Estimate ln p of what is given by each component, label by label of each member:
    after each step, how much of that is done, 0 to 1. The estimates come to log_p (K,),
    and to ess (K,) how many particles counted; first: number of the first sweep."""
    at = 0
    for way in mixture.ways:
        before = way.log_p_before(given) - way.log_priors
        for k in range(len(before)):
            for evidence, least_ess in _evidence(way, given, size, first + at, k):
                log_p[at] = before[k] + evidence
                ess[at] = least_ess
                yield at / len(log_p)
            at += 1


def _by_guides(
    chains: Sequence[Chain], model: Model, at_once: bool
) -> Iterator[float | Classification]:
    """Classify by images whose weights add up to p(given), each with p of every label
    given it: the candidates with which chains of a completion begin."""
    for done in stepped([chain.begin() for chain in chains], at_once):
        yield sum(1.0 if each is None else each for each in done) / len(chains)
    starts = [chain.start for chain in chains]
    joint = [
        _log_p_by(each, model) for each in (*([start] for start in starts), starts)
    ]
    yield _estimated(joint, counted(starts), chains[0].size, model)


def _log_p_by(starts: Sequence[Start], model: Model) -> Floats:
    """Return ln of an estimate of p(label, given), (K,), from the candidates of
    starts."""
    log_weights = evened(
        np.concatenate([start.log_weights for start in starts])
    ) - log_count(starts)
    log_p = np.concatenate([start.log_p for start in starts], 1)
    of_labels = (log_p - summed(log_p) + log_weights).reshape(
        len(model.members), -1, len(log_weights)
    )
    return np.array([log_sum(each.ravel()) for each in of_labels.swapaxes(0, 1)])


def evened(log_weights: Floats) -> Floats:
    """Return the logarithms (N,) of weights whose largest are cut until each has at
    most MOST / sqrt(N) = 0.5 / sqrt(N) of their sum, which stays.

    log_weights: (N,), finite.

    Otherwise the few heaviest images would decide alone, and be too sure (truncated
    importance sampling: Ionides, 2008). Fewer than four weights cannot all be so small:
    they become equal.
    """
    most = MOST / len(log_weights) ** 0.5
    descending = np.sort(log_weights)[::-1]
    bound = descending[-1]
    for count, heaviest in enumerate(descending):
        # If so many are cut to `bound`, and the others sum to `rest`, then
        # bound = most * (count * bound + rest). It is the right number if no other
        # weight exceeds that bound.
        left = 1 - count * most
        if left <= 0:
            break
        rest = log_sum(descending[count:])
        found = rest + float(log(np.array(most / left)))
        if heaviest <= found:
            bound = found
            break
    cut = np.minimum(log_weights, bound)
    return cut + (log_sum(log_weights) - log_sum(cut))


def _evidence(
    way: Way, given: Given, size: int, number: int, k: int
) -> Iterator[tuple[float, float]]:
    """Yield after each step ln of an estimate of p(given pixels behind the hole's first
    one | those before, label k), and the smallest effective sample size so far."""
    label = way.labels[k]
    assert label is not None
    sweep = way.sweep(given, size, number, ~given.keep, labels=np.full(size, label))
    for _ in sweep.steps():
        yield sweep.island.evidence(), sweep.island.least_ess


def _exact(model: Model, values: Tensor, keep: Tensor) -> Floats:
    """Return ln p(label, given), (B, K).

    It is computed by the compiled loop, whose bits are the same on every CPU, if that
    draws the model; else by torch, as for a Multi-Scale model, whose small image goes
    through torch anyway.
    """
    if not _is_by_loops(model):
        return _by_torch(model.components, values, keep)
    given = keep.numpy()
    of_each = [
        np.concatenate(list(_log_p_of_labels(model, known, given)))
        for known in values.numpy()
    ]
    return np.stack([_by_label(each, model) for each in of_each])


def _is_by_loops(model: Model) -> bool:
    return compiled_loops(model) is not None and not model.config.multi_scale


def _log_p_of_labels(
    model: Model, known: NDArray[np.integer], keep: NDArray[np.bool_]
) -> Iterator[Floats]:
    """Yield ln p of the given pixels of a picture under the next components, (N,), with
    at most LABELS_A_STEP labels in a step."""
    labels = range(model.config.labels)
    for member in model.members:
        assert isinstance(member.network, PixelNetwork)
        its_known, its_keep = (turn(each, member.orientation) for each in (known, keep))
        for first in range(0, len(labels), LABELS_A_STEP):
            group = labels[first : first + LABELS_A_STEP]
            yield log_p_leading(member.network, group, its_known, its_keep, 1.0)


def _by_torch(components: Sequence[Component], values: Tensor, keep: Tensor) -> Floats:
    """Return the same as `_exact`, computed on any device, in float64 from the nats
    on."""
    device = next(components[0].network.parameters()).device
    with torch.inference_mode():
        maps = (
            nats_maps(components, values.to(device)).double().cpu()
        )  # (N, B, C, H, W)
    given = torch.stack([turn(keep, component.orientation) for component in components])
    log_p = -(maps * given[:, None, None]).sum((2, 3, 4))
    return by_label(log_p, components).t().numpy()


def _told(joint: Floats, model: Model) -> Classification:
    priors = np.array([label.prior for label in model.card.labels])
    total = summed(joint.T)
    return Classification(exp(joint - total[:, None]), log(priors) - joint, -total)


def _estimated(
    joint: Sequence[Floats], least_ess: float, size: int, model: Model
) -> Classification:
    """Return the classification made of estimates of ln p(label, given) (K,), the last
    of which is that of all particles together.

    The prior counts as PRIOR_PARTICLES particles in addition to the `size` of each
    estimate: a label that no particle drew is not impossible, and one that all drew is
    not certain.

    least_ess: the effective sample size of the likeliest label.
    """
    *parts, found = (_told(each[None], model) for each in joint)
    p, nats = (
        np.stack([part.p for part in parts]),
        np.stack([part.nats for part in parts]),
    )
    apart = float((p.max(0) - p.min(0)).max())
    is_good = apart <= GOOD_APART and least_ess >= GOOD_ESS
    quality = "good" if is_good else "rough" if apart <= ROUGH_APART else "poor"
    priors = np.array([label.prior for label in model.card.labels])
    of_prior = PRIOR_PARTICLES[quality]
    likely = (size * found.p + of_prior * priors) / (size + of_prior)
    return Classification(
        likely, found.nats, found.total_nats, _deviations(nats), _deviations(p), quality
    )


def _by_label(log_p: Floats, model: Model) -> Floats:
    """Return ln of the model's p(label, given) (K,), given ln p under each component (M
    * K,)."""
    log_priors = log(np.array([each.prior for each in model.components]))
    members = (log_p + log_priors).reshape(len(model.members), -1)
    return summed(members) - log_count(members)


def _deviations(estimates: Floats) -> Floats:
    return np.apply_along_axis(deviation, 0, estimates)


def _joined(found: Sequence[Classification]) -> Classification:
    parts = [
        np.concatenate([getattr(each, name) for each in found])
        for name in ("p", "nats", "total_nats", "sd", "p_sd")
    ]
    return Classification(*parts, quality=worst_of(each.quality for each in found))


def _last(steps: Iterator[float | Classification]) -> Classification:
    *_, found = steps
    assert isinstance(found, Classification)
    return found


def _check(model: Model, values: Tensor, keep: Tensor | None) -> None:
    """Raise ConfigError or DataError for arguments that `classify` does not accept."""
    config = model.config
    if not config.labels or model.label is not None:
        raise ConfigError(
            f"{model.card.name} has no labels to choose from: expected a model with "
            "labels, none given"
        )
    shape = config.channels, config.height, config.width
    if (
        values.shape[-3:] != shape
        or values.ndim not in (3, 4)
        or values.shape[0] == 0
        or (keep is not None and keep.shape != shape[1:])
    ):
        found = [tuple(each.shape) for each in (values, keep) if each is not None]
        raise DataError(
            f"values and keep must be (B, *{shape}) and {shape[1:]}, not "
            f"{' and '.join(map(str, found))}"
        )
    if config.multi_scale and keep is not None and not keep.all():
        raise ConfigError(
            f"{model.card.name} is a Multi-Scale model, which has no posterior: "
            "expected a whole picture"
        )
