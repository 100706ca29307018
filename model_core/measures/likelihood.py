"""Exact likelihood: nats per image, and bits per dimension (section 5.1).

nats is -ln p(image), the sum over its C*H*W colour variables. bits/dim = nats / (ln 2 * C*H*W): what a perfect coder
built on the model would spend on each value.
"""

import math

import torch
from torch import Tensor

from model_core.config import NetworkConfig
from model_core.models import Model
from model_core.networks import Network
from model_core.orientation import turn

BATCH = 64


def nats_per_image(network: Network, values: Tensor) -> Tensor:
    """-ln p of each image: values (B, C, H, W), integers 0..V-1 -> (B,) nats, one teacher-forced pass."""
    return network.nats_map(values).flatten(1).sum(1)


def log_likelihood(model: Model, values: Tensor) -> Tensor:
    """ln p of each image: values (B, C, H, W) -> (B,) nats (negative), in batches that bound the memory."""
    values = turn(values, model.card.orientation)
    with torch.inference_mode():
        parts = [nats_per_image(model.network, part.to(model.device)) for part in values.split(BATCH)]
    return -torch.cat(parts) if parts else torch.zeros(0)


def bits_per_dim(nats: float, config: NetworkConfig) -> float:
    """Nats per image -> bits per colour variable."""
    return nats / (math.log(2) * config.dimensions)
