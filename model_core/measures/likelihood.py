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
from model_core.windows import Windows


def nats_per_image(
    network: Network, values: Tensor, condition: Tensor | None = None
) -> Tensor:
    """-ln p of each image: values (B, C, H, W), integers 0..V-1 -> (B,) nats, one teacher-forced pass. condition: of a
    network with labels, those of the images (`of_labels`)."""
    return network.nats_map(values, condition).flatten(1).sum(1)


def log_likelihood(
    model: Model, values: Tensor, label: int | str | None = None
) -> Tensor:
    """ln p of each image or field: values (B, C, H, W) -> (B,) nats (negative), in batches that bound the memory; given
    a label, by name or number, if there is one. Raises ConfigError for a label that the model does not have."""
    at_once = max(1, BATCH * model.config.width // values.shape[-1])
    model, windows = scored(model.given(label), values)
    with torch.inference_mode():
        parts = [
            component_nats(model.components, part, windows)
            for part in values.split(at_once)
        ]
    return (
        torch.cat([mixed(-part, model.components) for part in parts])
        if parts
        else torch.zeros(0)
    )


def scored(model: Model, values: Tensor) -> tuple[Model, Windows | None]:
    """The model that scores values (..., H, W): itself, or for larger pictures what draws fields, and the windows."""
    size, own = values.shape[-2:], torch.Size((model.config.height, model.config.width))
    is_larger = size != own and all(
        side >= least for side, least in zip(size, own, strict=True)
    )
    return model.field(width=size[1], height=size[0]) if is_larger else (model, None)


def component_nats(
    components: Sequence[Component], values: Tensor, windows: Windows | None = None
) -> Tensor:
    """-ln p of each image, or field, under each of N components: values (B, C, H, W) -> (N, B) nats."""
    device = next(components[0].network.parameters()).device
    return nats_maps(components, values.to(device), windows).flatten(2).sum(2)


def bits_per_dim(nats: float, config: NetworkConfig) -> float:
    """Nats per image -> bits per colour variable."""
    return nats / (math.log(2) * config.dimensions)
