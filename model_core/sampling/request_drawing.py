"""What the stages of a network draw for a request: noise, given pixels, conditions."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.image_request import ImageRequest
from model_core.layers.conditioning import spread_out, subsample
from model_core.networks import MultiScaleNetwork, Network
from model_core.sampling.noise import image_noise
from model_core.sampling.stage import Drawing


def first_drawing(network: Network, request: ImageRequest) -> Drawing:
    """Return what the network's first stage draws for a request: the small image of a
    Multi-Scale network, else the image or field itself."""
    known, keep = _given(request)
    of_small = isinstance(network, MultiScaleNetwork)
    if isinstance(network, MultiScaleNetwork):
        if known is not None and keep is not None:
            factor = network.config.factor
            known, keep = subsample(known, factor), subsample(keep, factor)
        if request.known_small is not None:
            known, keep = _with_small_rows(network, request.known_small, known, keep)
    noise = _noise(network, request, of_small)
    every = torch.ones(noise.shape[:2], dtype=torch.bool)
    return Drawing(
        noise,
        request.temperature,
        known,
        keep,
        label=request.label,
        weighed=every if request.weighed else None,
        windows=request.windows,
    )


def large_drawing(
    network: MultiScaleNetwork, request: ImageRequest, small: Tensor
) -> Drawing:
    """Return what the second stage of a Multi-Scale network draws around the small
    image (C, s, s), which is given."""
    label = None
    if request.label is not None:
        label = network.of_labels(torch.tensor([request.label]))
    # Of this image alone, so that its bits do not depend on a batch.
    condition = network.condition(small[None], label)[0]  # (c, H, W)
    factor = network.config.factor
    is_small = spread_out(torch.ones_like(small[0], dtype=torch.bool), factor)
    known = spread_out(small, factor)
    keep = is_small
    if request.known is not None and request.keep is not None:
        # The pixels of the small image win over given ones, because the large network
        # never draws them.
        also = torch.from_numpy(request.keep) & ~keep
        known = torch.where(also, torch.from_numpy(request.known), known)
        keep = keep | also
    return Drawing(
        _noise(network, request),
        request.temperature,
        known,
        keep,
        condition.permute(1, 2, 0),
        weighed=~is_small if request.weighed else None,
    )


def small_of(request: ImageRequest) -> Tensor | None:
    """Return the small image (C, s, s) that a request gives, or None."""
    if request.small is None:
        return None
    return torch.from_numpy(request.small.astype(np.int64))


def _with_small_rows(
    network: MultiScaleNetwork,
    rows: NDArray[np.integer],
    known: Tensor | None,
    keep: Tensor | None,
) -> tuple[Tensor, Tensor]:
    """Return values (C, s, s) and map (s, s) of the given pixels of the small image,
    with its first rows (C, k, s) added to them."""
    small = network.config.small
    shape = small.channels, small.height, small.width
    known = torch.zeros(shape, dtype=torch.int64) if known is None else known.clone()
    keep = torch.zeros(shape[1:], dtype=torch.bool) if keep is None else keep.clone()
    known[:, : rows.shape[1]] = torch.from_numpy(rows.astype(np.int64))
    keep[: rows.shape[1]] = True
    return known, keep


def _noise(network: Network, request: ImageRequest, of_small: bool = False) -> Tensor:
    config = network.config.small if of_small else network.config
    rows = config.height if request.windows is None else request.windows.rows
    shape = rows, config.width, config.channels
    return torch.from_numpy(
        image_noise(request.seed, request.sample, *shape, of_small=of_small)
    )


def _given(request: ImageRequest) -> tuple[Tensor | None, Tensor | None]:
    if request.known is None or request.keep is None:
        return None, None
    known = torch.from_numpy(np.ascontiguousarray(request.known, np.int64))
    return known, torch.from_numpy(np.ascontiguousarray(request.keep, np.bool_))
