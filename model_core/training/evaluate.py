"""Negative log-likelihood of a split, as the paper reports it: nats per image, and bits
per variable."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_core.components import Component, by_label, by_member, mixed
from model_core.data.labels import Numbers, expect_one_each
from model_core.data.splits import Values
from model_core.measures.likelihood import component_nats
from model_core.models import Model
from model_core.networks import Network
from model_core.orientation import turn
from model_core.training.ranks import Ranks


class EvaluationStoppedError(Exception):
    """The caller asked to stop before the last image was scored."""


@dataclass(frozen=True)
class Score:
    """The score of a model on images: means over the images, and the standard errors of
    these means."""

    nats: float
    """Mean -ln p of an image."""
    bits_per_dim: float
    """nats / (ln 2 * variables of an image)."""
    standard_error: float | None
    """Standard error of nats; None for one image, which says nothing of the spread."""
    bits_standard_error: float | None
    """Standard error of bits_per_dim; None for one image."""
    colour_bits: list[float]
    """bits_per_dim of the variables of each colour: grey; or red, green given red, blue
    given both. Empty for a model of several components with three colours."""
    images: int
    """Number of images."""
    images_per_s: float
    """Images scored per second."""
    member_nats: dict[str, float] = field(default_factory=dict)
    """Mean nats of each member of a mixture, by its orientation."""
    label_nats: float | None = None
    """Mean -ln p(label | image) of the true label, in a model with labels."""
    label_errors: float | None = None
    """Share of the images whose likeliest label is not the true one."""

    def to_dict(self) -> dict[str, Any]:
        """Return the score as JSON values, without fields that were not measured."""
        facts = asdict(self)
        return {name: fact for name, fact in facts.items() if fact not in ({}, None)}


def evaluate(
    network: Network,
    values: Values,
    batch: int = 50,
    ranks: Ranks | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_images: Callable[[int], None] = lambda _: None,
) -> Score:
    """Score a network on images. Several processes divide the images, and all of them
    return the same score.

    values: uint8 (N, C, H, W), 0..V-1, N at least 1, in the network's orientation.
    batch: images in one pass.
    ranks: the group of processes. Default: this one alone.
    stop: called before each batch; True ends the evaluation.
    on_images: called with the number of images that were scored since the last call, by
        all processes.

    Raises EvaluationStoppedError, in all processes, once stop() is true in one.
    """
    started = time.perf_counter()

    def look(part: Tensor, _images: slice) -> Tensor:
        return _sums(network, part)

    count = 1 + values.shape[1]
    squares, *colours = _sums_over(
        values, look, count, batch, ranks or Ranks(), stop, on_images
    )
    return _score(squares, colours, values, time.perf_counter() - started)


def evaluate_components(
    components: Sequence[Component],
    values: Values,
    labels: Numbers | None = None,
    batch: int = 50,
    ranks: Ranks | None = None,
    stop: Callable[[], bool] = lambda: False,
    on_images: Callable[[int], None] = lambda _: None,
) -> Score:
    """Score a model of several components (members of a mixture, labels) on images, as
    their mixture.

    values: uint8 (N, C, H, W), 0..V-1, N at least 1, upright.
    labels: (N,), the index of the true label of each image, if it is known; then the
        score has label_nats and label_errors.
    batch: images that are scored at once.
    ranks: the group of processes that divides the images. Default: this process alone.
    stop: called before each batch.
    on_images: called with the number of images that were scored since the last call, by
        all processes.

    Raises EvaluationStoppedError, in all processes, once stop() is true in one, and
    DataError for another number of labels than images.
    """
    if labels is not None:
        expect_one_each(labels, values, "the images to score")
    started = time.perf_counter()

    def look(part: Tensor, images: slice) -> Tensor:
        of_part = None if labels is None else torch.from_numpy(labels[images])
        return _component_sums(components, part, of_part)

    members = [*dict.fromkeys(each.orientation for each in components)]
    squares, nats, label_nats, errors, *sums = _sums_over(
        values, look, 4 + len(members), batch, ranks or Ranks(), stop, on_images
    )
    score = _score(squares, [nats], values, time.perf_counter() - started)
    count = len(values)
    if values.shape[1] > 1:
        # Components divide the nats among the colours in different ways.
        score = replace(score, colour_bits=[])
    if len(members) > 1:
        means = [each / count for each in sums]
        score = replace(score, member_nats=dict(zip(members, means, strict=True)))
    if labels is not None:
        score = replace(
            score, label_nats=label_nats / count, label_errors=errors / count
        )
    return score


def evaluate_model(
    model: Model,
    values: Values,
    batch: int = 50,
    on_images: Callable[[int], None] = lambda _: None,
    labels: Numbers | None = None,
) -> Score:
    """Score a model on images in this process alone.

    values: uint8 (N, C, H, W), 0..V-1, N at least 1, upright.
    batch: images in one pass.
    on_images: called with the number of images that were scored since the last call.
    labels: (N,), the index of the true label of each image; not used for a model of one
        component. Default: none; the score then has no label_nats and label_errors.
    """
    if len(model.components) > 1:
        return evaluate_components(
            model.components, values, labels, batch, on_images=on_images
        )
    (member,) = model.members
    return evaluate(
        member.network, turn(values, member.orientation), batch, on_images=on_images
    )


@torch.inference_mode()
def _sums_over(
    values: Values,
    look: Callable[[Tensor, slice], Tensor],
    count: int,
    batch: int,
    ranks: Ranks,
    stop: Callable[[], bool],
    on_images: Callable[[int], None],
) -> list[float]:
    """Return the sums (count,), over all batches and processes, of the results (count,)
    of `look`.

    look: receives the images (B, C, H, W), int64, of a batch, and the slice of `values`
        that they are.
    """
    sums = torch.zeros(ranks.shares, count, dtype=torch.float64)
    for start in range(0, len(values), batch * ranks.shares):
        if ranks.any(stop()):
            raise EvaluationStoppedError
        end = start + batch * ranks.shares
        for share in ranks.own_shares:
            images = slice(start + share, end, ranks.shares)
            part = values[images]
            if len(part):
                sums[share] += look(torch.from_numpy(part.astype(np.int64)), images)
        on_images(min(end, len(values)) - start)
    return ranks.add_shares(sums.__getitem__).tolist()


def _sums(network: Network, values: Tensor) -> Tensor:
    """Return, for images (B, C, H, W), the sum of their squared nats and the sum of the
    nats of each colour: (1 + C,)."""
    values = values.to(next(network.parameters()).device)
    colours = network.nats_map(values).double().sum((2, 3))  # (B, C)
    return torch.cat([colours.sum(1).square().sum()[None], colours.sum(0)]).cpu()


def _component_sums(
    components: Sequence[Component], values: Tensor, labels: Tensor | None
) -> Tensor:
    """Return sums (4 + M,) over images (B, C, H, W): squared nats, nats, nats of the
    true labels (B,), number of images with another likeliest label, nats of each of M
    members."""
    log_p = -component_nats(components, values).cpu()  # (N, B)
    total = mixed(log_p, components)  # (B,)
    members = by_member(log_p, components)  # (M, B)
    of_label = torch.zeros(())
    wrong = torch.zeros(())
    if labels is not None:
        each = by_label(log_p, components)
        of_label = total.sum() - each.gather(0, labels[None]).sum()
        wrong = (each.argmax(0) != labels).sum()
    sums = total.square().sum(), -total.sum(), of_label, wrong
    return torch.cat([torch.stack([each.double() for each in sums]), -members.sum(1)])


def _score(
    squares: float, colours: list[float], values: Values, seconds: float
) -> Score:
    """Return the score, given the sum of the squared nats and the sum of the nats of
    each colour."""
    count, C, H, W = values.shape
    mean = sum(colours) / count
    error = None
    if count > 1:
        # The mean is of the same images, hence the 1 less.
        variance = max(0.0, squares - count * mean * mean) / (count - 1)
        error = math.sqrt(variance / count)
    bit = math.log(2) * C * H * W  # nats per image that make one bit/dim
    return Score(
        nats=mean,
        bits_per_dim=mean / bit,
        standard_error=error,
        bits_standard_error=None if error is None else error / bit,
        colour_bits=[nats / count / (bit / C) for nats in colours],
        images=count,
        images_per_s=count / seconds,
    )
