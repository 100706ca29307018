"""Exact likelihood: nats per image, and bits per dimension (section 5.1).

nats is -ln p(image), the sum over its C * H * W variables. bits/dim = nats / (ln 2 * C
* H * W): the bits that an ideal coder with this model needs per variable.
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
    """Return -ln p of each image in nats, (B,), by one teacher-forced pass over all of
    them.

    values: (B, C, H, W), integers 0..V-1.
    condition: the images' labels as the network's `of_labels` returns them, for a
        network with labels.
    """
    return network.nats_map(values, condition).flatten(1).sum(1)


def log_likelihood(
    model: Model, values: Tensor, label: int | str | None = None
) -> Tensor:
    """Return ln p of each image or field in nats, (B,), which is negative, under the
    model.

    A field is a picture that is larger than the model's images in one direction or both
    and smaller in none; its p is that of its windows (Model.field).

    values: (B, C, H, W), integers 0..V-1.
    label: name or index of a label; the result is ln p(image | label). Default: in a
        model with labels, the sum over all of them.

    The images are scored in batches that bound the memory. Raises ConfigError for a
    label that the model does not have, and for fields if the model cannot draw them.
    """
    batch = max(1, BATCH * model.config.width // values.shape[-1])
    model, windows = scoring_model(model.given(label), values)
    with torch.inference_mode():
        parts = [
            component_nats(model.components, part, windows)
            for part in values.split(batch)
        ]
    if not parts:
        return torch.zeros(0)
    return torch.cat([mixed(-part, model.components) for part in parts])


def scoring_model(model: Model, values: Tensor) -> tuple[Model, Windows | None]:
    """Return the model that scores pictures of the size of values (..., H, W), and
    their windows if they are fields: larger than the model's images in one direction at
    least, and smaller in none. For every other size, return the model itself and None.
    Raises ConfigError if the model cannot draw fields."""
    height, width = values.shape[-2:]
    config = model.config
    contains_image = height >= config.height and width >= config.width
    if contains_image and (height, width) != (config.height, config.width):
        return model.field(width=width, height=height)
    return model, None


def component_nats(
    components: Sequence[Component], values: Tensor, windows: Windows | None = None
) -> Tensor:
    """Return -ln p in nats of each image or field under each component, (N, B), on the
    device of the components.

    components: members of a model with their labels, as in `Model.components`.
    values: (B, C, H, W), integers 0..V-1.
    windows: for fields, those of `scoring_model`.
    """
    device = next(components[0].network.parameters()).device
    return nats_maps(components, values.to(device), windows).flatten(2).sum(2)


def bits_per_dim(nats: float, config: NetworkConfig) -> float:
    """Return bits per variable, given -ln p of an image in nats: nats / (ln 2 * C * H *
    W), with the size that the config says."""
    return nats / (math.log(2) * config.dimensions)
