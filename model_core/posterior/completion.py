"""Complete a picture: images, and the receipt that says how good they are.

`complete` does it all at once. A service goes step by step. If the `Target` does not
need particles, its images are drawn like any others, and `drawn_receipt_steps` makes
the receipt. Otherwise `run_of` (enumeration.py) draws the images: by enumeration if the
hole has few fillings, else by an `IslandsRun` (islands.py).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import count
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.elementary import log_sum
from model_core.errors import ConfigError, DataError
from model_core.models import Model
from model_core.orientation import Orientation, turn
from model_core.posterior.enumeration import run_of
from model_core.posterior.islands import way_of
from model_core.posterior.marginals import Marginals
from model_core.posterior.particles import Stages
from model_core.posterior.plan import given_behind
from model_core.posterior.receipt import Receipt
from model_core.posterior.targets import Target
from model_core.sampling.offline import OnRow, sample

Method = Literal["posterior", "clamp"]
OnShare = Callable[[float], None]
"""on_share(share) is called with how much of the drawing is done, 0 to 1."""
PARTICLES, MAX_PARTICLES = 32, 256
"""Default and maximum number of particles for each image."""
SWEEPS, MAX_SWEEPS = 2, 16
"""Default and maximum number of rounds of a chain."""
DRAWS = 8
"""Minimum number of exact draws behind the marginals."""


@dataclass(frozen=True)
class Completion:
    """Images that fill a hole, and how good they are; the result of `complete`."""

    values: Tensor
    """(n, C, H, W), int64: whole images, given pixels included."""
    receipt: Receipt
    """How good the images are."""
    mean: Tensor | None
    """(C, H, W), float64: the expected value of each variable (one colour of one
    pixel); of categories the likeliest one; of given pixels their value. None for the
    method clamp."""
    entropy_bits: Tensor | None
    """(C, H, W), float64: the entropy of each variable, in bits; 0 for given pixels.
    None for the method clamp."""

    @property
    def exact(self) -> bool:
        """True if each image is an exact draw from the model's own posterior, p(hole |
        all given pixels)."""
        return self.receipt.exact

    @property
    def member(self) -> Orientation:
        """Orientation of the member that drew the last image; see Receipt.member."""
        return self.receipt.member


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
    first: int = 0,
    label: int | str | None = None,
    most_scores: int | None = None,
) -> Completion:
    """Draw n images that agree with the given pixels, and return them with their
    receipt and with what is expected of each pixel.

    known, keep: values (C, H, W), integers 0..V-1, and bool (H, W), True for given
        pixels; both in main memory. The hole is where keep is False.
    n: number of images. 0, with the method `posterior` only: no image, but the receipt,
        mean and entropy of one.
    seed, first: the images are those of the seed with the numbers first, first + 1,
        ...; 0 to 2^64 - 1.
    temperature: divides the logits, above 0; 1 is the model's own distribution.
    method: `posterior` draws from p(hole | all given pixels) of the model. `clamp` lets
        the first member draw each pixel of the hole given what comes before it in its
        order, and ignores later given pixels.
    particles: for each image, shared by its two chains; 1 to 256.
    sweeps: maximum number of rounds of a chain; 0 to 16.
    on_share: called with how much is done, 0 to 1.
    label: name or index of the label of the images. Default: in a model with labels it
        is drawn, too.
    most_scores: a hole is enumerated, so that draws, mean, entropy and evidence are
        exact, if its fillings times the model's components are at most this many.
        Default: as many as take about two seconds. 256 draws as version 0.4 did, 0 as
        version 0.3.

    With `posterior`, an image is one exact draw if no given pixel comes after the
    hole's first pixel in the order of each member. All other holes are enumerated, or
    drawn by chains or by rejection (islands.py); the receipt says how good the images
    are.

    Raises DataError or ConfigError for arguments that do not fit, also for a
    Multi-Scale model with `posterior`; ImpossibleError if the given pixels have no
    probability.
    """
    _check(model, known, keep, n, method, particles, sweeps)
    model = model.given(label)
    on_row = share_of_rows(n * model.config.height, on_share)
    if method == "clamp":
        values = sample(model, n, seed, temperature, known, keep, on_row, first=first)
        receipt = Receipt(_is_exact_by_clamp(model, keep), model.members[0].orientation)
        return Completion(values, receipt, None, None)
    target = Target.of(model, known.numpy(), keep.numpy(), temperature)
    if not target.needs_particles:
        values = known.new_zeros((0, *known.shape))
        if n:
            values = sample(
                model, n, seed, temperature, known, keep, on_row, first=first
            )
        *_, found = drawn_receipt_steps(target, values.numpy(), seed, first)
        assert found is not None
        return _completion(values, *found)
    run = run_of(target, seed, particles, sweeps, most_scores=most_scores)
    drawn = max(1, n)
    images: list[NDArray[np.int64]] = []
    for i in range(drawn):
        for step in run.steps(first + i):
            if isinstance(step, np.ndarray):
                images.append(step)
            else:
                on_share((i + step) / drawn)
        on_share((i + 1) / drawn)
    return _completion(torch.from_numpy(np.stack(images)[:n]), *run.receipt())


def _is_exact_by_clamp(model: Model, keep: Tensor) -> bool:
    """Return True if images of the method `clamp` are exact draws: if the model has one
    member, and this draws all pixels of the hole after the given ones.

    keep: bool (H, W) of the model's size, True for given pixels.
    """
    if len(model.members) != 1:
        return False
    in_order = turn(keep, model.members[0].orientation).numpy()
    if model.config.multi_scale:
        factor = model.config.factor
        is_small = np.zeros_like(in_order)
        is_small[::factor, ::factor] = True
        has_open_label = len(model.components) > 1
        if has_open_label and in_order[~is_small].any() and not in_order.all():
            return False
        in_order = np.concatenate([in_order[is_small], in_order[~is_small]])[None]
    return not given_behind(in_order)


def share_of_rows(rows: int, on_share: OnShare) -> OnRow:
    """Return a function for `sample`'s on_row: on its k-th call it calls on_share(k /
    rows).

    rows: number of rows of all images together.
    """
    numbers = count(1)
    return lambda *_: on_share(next(numbers) / rows)


def drawn_receipt_steps(
    target: Target, values: NDArray[np.integer], seed: int, first: int = 0
) -> Iterator[tuple[Receipt, Marginals] | None]:
    """Make the receipt and the marginals of exact draws, in steps: yield None after
    each step except the last, and then both.

    target: what is completed; `needs_particles` is False for it.
    values: the draws, (n, C, H, W), upright: images first, first + 1, ... of the seed.
        With fewer than DRAWS (8), more are drawn for the marginals.
    seed, first: number of the seed, and of the first image.
    """
    (components,) = target.of_members
    way = way_of(components, DRAWS, Stages().of)
    given = target.given(seed)
    log_before = yield from way.log_p_before_steps(given)
    drawn = np.ascontiguousarray(values, np.int64)
    # Few draws would make pixels look certain.
    more = way.draws(given, range(first + len(drawn), first + DRAWS), log_before)
    yield None
    shares = target.no_shares()
    images = np.concatenate([drawn, more])
    asked = images if len(components) > 1 else drawn
    said = []
    for image in asked:
        log_p = yield from way.log_p_steps(image[None], target.temperature)
        said.append(log_p[:, 0] + way.log_priors)
    likeliest = np.zeros(len(images), np.int64)
    likeliest[: len(said)] = [each.argmax() for each in said]
    for k in np.unique(likeliest):
        for _ in shares.predicting(components[k], images[likeliest == k]):
            yield None
    nats = tuple(-log_sum(each) for each in said[: len(drawn)])
    last = components[likeliest[len(drawn) - 1]]
    found = Receipt(
        True,
        last.orientation,
        "exact",
        tuple("exact" for _ in nats),
        evidence_nats=-log_sum(log_before),
        nats=nats,
    )
    yield replace(found, label=last.label), shares.result()


def _completion(values: Tensor, receipt: Receipt, found: Marginals) -> Completion:
    receipt = receipt if len(values) else receipt.of_no_image
    maps = (
        torch.from_numpy(np.ascontiguousarray(each))
        for each in (found.mean, found.entropy_bits)
    )
    return Completion(values, receipt, *maps)


def _check(
    model: Model,
    known: Tensor,
    keep: Tensor,
    n: int,
    method: str,
    particles: int,
    sweeps: int,
) -> None:
    """Raise DataError or ConfigError for arguments that `complete` does not accept."""
    config = model.config
    shape = config.channels, config.height, config.width
    if known.shape != shape or keep.shape != shape[1:]:
        raise DataError(
            f"known and keep must be {shape} and {shape[1:]}, not "
            f"{tuple(known.shape)} and {tuple(keep.shape)}"
        )
    if method not in ("posterior", "clamp"):
        raise ConfigError(f"unknown method {method!r}: expected posterior or clamp")
    if method == "posterior" and config.multi_scale:
        raise ConfigError(
            f"{model.card.name} is a Multi-Scale model, which has no posterior: "
            "expected method clamp"
        )
    least = 1 if method == "clamp" else 0
    if n < least:
        raise ConfigError(f"n must be at least {least} for {method}, not {n}")
    if not 1 <= particles <= MAX_PARTICLES:
        raise ConfigError(
            f"particles must be from 1 to {MAX_PARTICLES}, not {particles}"
        )
    if not 0 <= sweeps <= MAX_SWEEPS:
        raise ConfigError(f"sweeps must be from 0 to {MAX_SWEEPS}, not {sweeps}")
