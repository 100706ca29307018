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
    with torch.inference_mode():
        parts = [mixed(-member_nats(model, part)) for part in values.split(BATCH)]
    return torch.cat(parts) if parts else torch.zeros(0)


def member_nats(model: Model, values: Tensor) -> Tensor:
    """-ln p_k of each image under each of the K members: values (B, C, H, W) -> (K, B) nats."""
    values = values.to(model.device)
    return torch.stack([nats_per_image(member.network, turn(values, member.orientation)) for member in model.members])


def mixed(log_p: Tensor) -> Tensor:
    """ln p of the even mixture: ln mean_k p_k, from ln p_k (K, B) -> (B,)."""
    return log_p[0] if len(log_p) == 1 else log_p.double().logsumexp(0) - math.log(len(log_p))


def bits_per_dim(nats: float, config: NetworkConfig) -> float:
    """Nats per image -> bits per colour variable."""
    return nats / (math.log(2) * config.dimensions)
