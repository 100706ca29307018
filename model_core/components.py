"""A model as a mixture: the mean of its members, each of which is the sum over its
labels. This file alone defines how they are combined.

    p(x) = mean over members m of the sum over labels k of prior_k p_m(turned x | k)

A member together with a label is a component. Drawing chooses one component; scoring
weighs the likelihoods of all; Inspect shows the likeliest one. A network without labels
has a single component with prior 1, and so has each member of a model that is
conditioned on one label.

Letters: N components, M members, K labels.
"""

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from torch import Tensor

from model_core.networks import Network
from model_core.orientation import Orientation, turn
from model_core.windows import Window, Windows

BATCH = 64
"""Images in one pass of a network, at most; it bounds the memory."""


@dataclass(frozen=True)
class Member:
    """A network with its weights, ready to draw, and the orientation of the images that
    it was trained on."""

    network: Network
    orientation: Orientation = "none"


@dataclass(frozen=True)
class Component:
    """One member, conditioned on one label if it has labels.

    member: the network and its orientation.
    label: index of the label; None without labels.
    prior: probability of the label.
    """

    member: Member
    label: int | None = None
    prior: float = 1.0

    @property
    def network(self) -> Network:
        return self.member.network

    @property
    def orientation(self) -> Orientation:
        return self.member.orientation

    def condition(self, images: int) -> Tensor | None:
        """Return the conditioning tensor for `images` images with this label; None
        without a label."""
        if self.label is None:
            return None
        device = next(self.network.parameters()).device
        return self.network.of_labels(torch.full((images,), self.label, device=device))

    def logits(self, values: Tensor) -> Tensor:
        """Return the teacher-forced logits (B, V, C, H, W) of values (B, C, H, W), both
        in the member's orientation."""
        return self.network(values, self.condition(len(values)))

    def nats_map(self, values: Tensor) -> Tensor:
        """Return -ln p of every variable (B, C, H, W) of values (B, C, H, W), both in
        the member's orientation."""
        return self.network.nats_map(values, self.condition(len(values)))


def components_of(
    members: Sequence[Member], priors: Sequence[float], label: int | None
) -> tuple[Component, ...]:
    """Return the components of a model, ordered by member and then by label. Each
    member has one component if there are no labels or if `label` is given.

    priors: those of the labels, by index; empty if there are none.
    """
    if label is not None or not priors:
        return tuple(Component(member, label) for member in members)
    return tuple(
        Component(member, k, prior)
        for member in members
        for k, prior in enumerate(priors)
    )


def nats_maps(
    components: Sequence[Component], values: Tensor, windows: Windows | None = None
) -> Tensor:
    """Return -ln p of every variable under each component, (N, B, C, H, W), in the
    orientation of each component's member. The labels of a member share passes of at
    most BATCH (64) images.

    values: (B, C, H, W), upright; they are turned here.
    windows: the windows of a field (a picture larger than the model's images), if the
        values are of fields.
    """
    if windows is not None:
        return torch.cat([*window_maps(components, values, windows)], -2)
    return torch.cat([_maps(*group, values) for group in _by_member(components)])


def window_maps(
    components: Sequence[Component], values: Tensor, windows: Iterable[Window]
) -> Iterator[Tensor]:
    """Yield, for each window of fields (B, C, rows, W), -ln p of the variables in its
    new rows under each component: (N, B, C, new rows, W)."""
    for top, first, end in windows:
        yield nats_maps(components, values[..., top:end, :])[..., first - top :, :]


def _maps(member: Member, labels: Sequence[int | None], values: Tensor) -> Tensor:
    network = member.network
    turned = turn(values, member.orientation)
    if None in labels:
        return network.nats_map(turned)[None]

    # Pair k is label k // B of image k % B.
    B = len(values)
    label_of = torch.tensor(labels, device=values.device)
    pairs = torch.arange(len(labels) * B, device=values.device)
    parts = [
        network.nats_map(turned[k % B], network.of_labels(label_of[k // B]))
        for k in pairs.split(BATCH)
    ]
    return torch.cat(parts).unflatten(0, (len(labels), B))


def _by_member(
    components: Sequence[Component],
) -> Iterator[tuple[Member, Sequence[int | None]]]:
    """Yield each member with the labels of its components."""
    for _, group in groupby(components, lambda each: id(each.member)):
        found = list(group)
        yield found[0].member, [each.label for each in found]


def mixed(log_p: Tensor, components: Sequence[Component]) -> Tensor:
    """Return ln p of each image under the model (B,), given ln p under each component
    (N, B), without its prior. Members count equally."""
    if len(components) == 1:
        return log_p[0]
    joint = _joint(log_p, components)
    return joint.flatten(0, 1).logsumexp(0) - math.log(len(joint))


def by_member(log_p: Tensor, components: Sequence[Component]) -> Tensor:
    """Return ln p of each image under each member (M, B), given that under each
    component (N, B)."""
    return _joint(log_p, components).logsumexp(1)


def by_label(log_p: Tensor, components: Sequence[Component]) -> Tensor:
    """Return the joint ln p of each image and each label (K, B), given ln p under each
    component (N, B). The exponentials sum over the labels to p of the model."""
    joint = _joint(log_p, components)
    return joint.logsumexp(0) - math.log(len(joint))


def _joint(log_p: Tensor, components: Sequence[Component]) -> Tensor:
    """Return ln(prior_k p_m(x | k)) as (M, K, B) float64."""
    log_priors = torch.tensor(
        [math.log(each.prior) for each in components],
        dtype=torch.float64,
        device=log_p.device,
    )
    members = len([*_by_member(components)])
    return (log_p.double() + log_priors[:, None]).unflatten(0, (members, -1))
