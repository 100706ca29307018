"""The slow truth: one whole teacher-forced pass for every colour of every pixel. What every fast path must equal."""

from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor

from model_core.config import NetworkConfig
from model_core.distribution import Categorical, check_finite
from model_core.layers.conditioning import spread_out, subsample
from model_core.models import Model
from model_core.networks import MultiScaleNetwork
from model_core.sampling.noise import image_noise


def reference_sample(
    model: Model,
    n: int,
    seed: int,
    temperature: float = 1.0,
    known: Tensor | None = None,
    keep: Tensor | None = None,
    small: Tensor | None = None,
    label: int | None = None,
) -> Tensor:
    """Draw n images, (n, C, H, W); known values (C, H, W) are taken where keep (H, W) is True (all images alike).

    small (C, s, s): the first image of a Multi-Scale model, where it is given. label: of all, of a model with labels.
    """
    network, config, distribution = (
        model.network,
        model.config,
        model.network.distribution,
    )
    with torch.inference_mode():
        of_label = None if label is None else network.of_labels(torch.full((n,), label))
        if not isinstance(network, MultiScaleNetwork):
            labelled = partial(network, condition=of_label)
            return _draw_all(
                labelled, distribution, config, n, seed, temperature, known, keep
            )
        if small is None:
            parts = [
                None if part is None else subsample(part, config.factor)
                for part in (known, keep)
            ]
            first = partial(network.small, condition=of_label)
            smalls = _draw_all(
                first,
                distribution,
                config.small,
                n,
                seed,
                temperature,
                *parts,
                of_small=True,
            )
        else:
            smalls = small.expand(n, *small.shape)
        condition = network.condition(smalls, of_label)
        given, at = (
            spread_out(smalls, config.factor),
            spread_out(torch.ones_like(smalls[:, 0]).bool(), config.factor),
        )
        if known is not None and keep is not None:
            given, at = torch.where(keep & ~at[:, None], known, given), at | keep
        large = partial(network.large, condition=condition)
        return _draw_all(large, distribution, config, n, seed, temperature, given, at)


def _draw_all(
    network: Callable[[Tensor], Tensor],
    distribution: Categorical,
    config: NetworkConfig,
    n: int,
    seed: int,
    temperature: float,
    known: Tensor | None,
    keep: Tensor | None,
    of_small: bool = False,
) -> Tensor:
    C, H, W = config.channels, config.height, config.width
    noise = torch.stack(
        [torch.from_numpy(image_noise(seed, i, H, W, C, of_small)) for i in range(n)]
    )  # (n, H, W, C)
    values = torch.zeros(n, C, H, W, dtype=torch.int64)
    warmth = torch.full((n,), temperature, dtype=torch.float64)
    for y in range(H):
        for x in range(W):
            if (
                keep is not None
                and known is not None
                and bool(keep.expand(n, H, W)[0, y, x])
            ):
                values[:, :, y, x] = known.expand(n, C, H, W)[:, :, y, x]
                continue
            for c in range(C):
                logits = network(values)[:, :, c, y, x]  # (n, V)
                check_finite(logits)
                values[:, c, y, x] = distribution.draw(
                    logits, noise[:, y, x, c], warmth
                )
    return values
