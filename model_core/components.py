"""A model of several distributions: the mean of what its members say, each the sum over its labels. Said here, once.

    p(x) = mean over members m of the sum over labels k of prior_k p_m(x turned, given k)

A member and a label together are a component. All that is said of a model is said of its components: one that is drawn,
all whose likelihoods are weighed together, the likeliest. A network without labels has one component, of prior 1; so
has each member of a model that is asked about one label.
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


@dataclass(frozen=True)
class Member:
    """A network with its weights, ready to draw, and the orientation of the images that it was trained on."""

    network: Network
    orientation: Orientation = "none"


@dataclass(frozen=True)
class Component:
    """One member given one label, if it has any; prior: of that label."""

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
        """Condition of so many images: that they have this label."""
        if self.label is None:
            return None
        device = next(self.network.parameters()).device
        return self.network.of_labels(torch.full((images,), self.label, device=device))

    def logits(self, values: Tensor) -> Tensor:
        """Teacher-forced logits (B, V, C, H, W) of values (B, C, H, W) in the member's orientation."""
        return self.network(values, self.condition(len(values)))

    def nats_map(self, values: Tensor) -> Tensor:
        """-ln p of every variable: values (B, C, H, W) in the member's orientation, and so the result."""
        return self.network.nats_map(values, self.condition(len(values)))


def components_of(
    members: Sequence[Member], priors: Sequence[float], label: int | None
) -> tuple[Component, ...]:
    """The components of a model: member by member its labels; one a member where there are none, or one is given."""
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
    """-ln p of every variable under each component: values (B, C, H, W) -> (N, B, C, H, W), turned as its member sees
    them. The labels of a member go through its network together, as many as bound the memory. windows: of fields."""
    if windows is not None:
        return torch.cat([*window_maps(components, values, windows)], -2)
    return torch.cat([_maps(*group, values) for group in _by_member(components)])


def window_maps(
    components: Sequence[Component], values: Tensor, windows: Iterable[Window]
) -> Iterator[Tensor]:
    """The same of the new rows of each window."""
    for top, first, end in windows:
        yield nats_maps(components, values[..., top:end, :])[..., first - top :, :]


def _maps(member: Member, labels: Sequence[int | None], values: Tensor) -> Tensor:
    """(len(labels), B, C, H, W) of one member."""
    turned, network = turn(values, member.orientation), member.network
    if None in labels:
        return network.nats_map(turned)[None]
    B, each = len(values), torch.tensor(labels, device=values.device)
    pairs = torch.arange(len(labels) * B, device=values.device)
    parts = [
        network.nats_map(turned[k % B], network.of_labels(each[k // B]))
        for k in pairs.split(BATCH)
    ]
    return torch.cat(parts).unflatten(0, (len(labels), B))


def _by_member(
    components: Sequence[Component],
) -> Iterator[tuple[Member, Sequence[int | None]]]:
    for _, group in groupby(components, lambda each: id(each.member)):
        found = list(group)
        yield found[0].member, [each.label for each in found]


def mixed(log_p: Tensor, components: Sequence[Component]) -> Tensor:
    """ln p of the model (B,), from what its components say: ln p (N, B)."""
    if len(components) == 1:
        return log_p[0]
    joint = _joint(log_p, components)
    return joint.flatten(0, 1).logsumexp(0) - math.log(len(joint))


def by_member(log_p: Tensor, components: Sequence[Component]) -> Tensor:
    """ln p of each member (M, B)."""
    return _joint(log_p, components).logsumexp(1)


def by_label(log_p: Tensor, components: Sequence[Component]) -> Tensor:
    """ln p of images and each label together (K, B); exponentials of all labels add up to p of the model."""
    joint = _joint(log_p, components)
    return joint.logsumexp(0) - math.log(len(joint))


def _joint(log_p: Tensor, components: Sequence[Component]) -> Tensor:
    """ln of prior_k p_m(x | k): (M, K, B), float64."""
    log_priors = torch.tensor(
        [math.log(each.prior) for each in components],
        dtype=torch.float64,
        device=log_p.device,
    )
    members = len([*_by_member(components)])
    return (log_p.double() + log_priors[:, None]).unflatten(0, (members, -1))
