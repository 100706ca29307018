"""Exact likelihood: nats per image, and bits per dimension (section 5.1).

nats is -ln p(image), the sum over its C*H*W colour variables. bits/dim = nats / (ln 2 * C*H*W): what a perfect coder
built on the model would spend on each value.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from model_core.components import BATCH, Component, mixed, nats_maps
from model_core.config import NetworkConfig
from model_core.models import Model
from model_core.networks import Network


def nats_per_image(network: Network, values: Tensor, condition: Tensor | None = None) -> Tensor:
    """-ln p of each image: values (B, C, H, W), integers 0..V-1 -> (B,) nats, one teacher-forced pass. condition: of a
    network with labels, those of the images (`of_labels`)."""
    return network.nats_map(values, condition).flatten(1).sum(1)


def log_likelihood(model: Model, values: Tensor, label: int | str | None = None) -> Tensor:
    """ln p of each image: values (B, C, H, W) -> (B,) nats (negative), in batches that bound the memory; given a label,
    by name or number, if there is one. Raises ConfigError for a label that the model does not have."""
    model = model.given(label)
    with torch.inference_mode():
        parts = [mixed(-component_nats(model.components, part), model.components) for part in values.split(BATCH)]
    return torch.cat(parts) if parts else torch.zeros(0)


def component_nats(components: Sequence[Component], values: Tensor) -> Tensor:
    """-ln p of each image under each of N components: values (B, C, H, W) -> (N, B) nats."""
    device = next(components[0].network.parameters()).device
    return nats_maps(components, values.to(device)).flatten(2).sum(2)


def bits_per_dim(nats: float, config: NetworkConfig) -> float:
    """Nats per image -> bits per colour variable."""
    return nats / (math.log(2) * config.dimensions)
