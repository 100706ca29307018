"""Draw images in one call, without a server."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.config import NetworkConfig
from model_core.errors import DataError
from model_core.image_request import ImageRequest
from model_core.models import Model
from model_core.networks.pixel_network import WeightVersions
from model_core.sampling.compiled.threads import threads_in_use
from model_core.sampling.engine import Engine
from model_core.sampling.stages import networks_of, seats

OnRow = Callable[[int, int, Tensor], None]
"""on_row(i, y, values) is called when row y of image i has become final; values (C, W),
int64."""

_kept: WeakKeyDictionary[Model, tuple[tuple[WeightVersions | None, ...], Engine]] = (
    WeakKeyDictionary()
)
"""An engine of one slot for each model, because making one takes half as long as
drawing a small image."""


def sample(
    model: Model,
    n: int,
    seed: int,
    temperature: float = 1.0,
    known: Tensor | None = None,
    keep: Tensor | None = None,
    on_row: OnRow | None = None,
    member: int = 0,
    first: int = 0,
    label: int | str | Sequence[int | str] | None = None,
    size: tuple[int, int] | None = None,
    log_p: NDArray[np.float64] | None = None,
) -> Tensor:
    """Draw n images, and return their values (n, C, H, W), int64.

    Image i has the noise of (seed, first + i), so it does not depend on n.

    n: number of images.
    seed, first: 0 to 2^64 - 1.
    temperature: divides the logits; 1 is the model's own distribution, lower values
        favour likely values.
    known, keep: for completions: values (C, H, W) or (n, C, H, W), which are taken
        where keep, bool (H, W) or (n, H, W), is True; in main memory.
    on_row: on_row(i, y, values) is called when row y of image i has become final;
        values (C, W).
    member: index of the member of a mixture that draws a completion. Default: the noise
        of each image chooses one.
    label: name or index of the label of all images, or a sequence of one for each.
        Default: the label on which the model is conditioned; otherwise the noise of
        each image chooses one, by the priors or by the given pixels before the first
        hole.
    size: (W, H) of fields, pictures that are larger than the model's images; the result
        then has this size.
    log_p: float array (n,) that receives ln p of each image; only without `known`.

    Raises DataError for arguments that do not fit each other, ConfigError for a label
    or a size that the model does not have.
    """
    labels = [model.card.label_number(each) for each in _for_each(label, n)]
    if (known is None) != (keep is None):
        raise DataError(
            "known and keep go together: the given values, and where they are to be "
            "kept"
        )
    if known is None or keep is None:
        asked = [
            ImageRequest(
                seed,
                first + i,
                temperature,
                label=labels[i],
                weighed=log_p is not None,
            )
            for i in range(n)
        ]
        return draw(model, asked, on_row, size, log_p)
    if size is not None:
        raise DataError(
            "a picture of another size cannot be completed: expected either a size, or "
            "known and keep"
        )
    config = model.config
    shape = config.channels, config.height, config.width
    values = _each(known, n, shape, "known").numpy()
    kept = _each(keep, n, shape[1:], "keep").numpy()
    given = [
        {"known": values[i], "keep": kept[i], "label_from": kept[i], "label": labels[i]}
        for i in range(n)
    ]
    requests = [
        ImageRequest(seed, first + i, temperature, member=member, **given[i])
        for i in range(n)
    ]
    return draw(model, requests, on_row)


def upsample(
    model: Model,
    small: Tensor,
    n: int,
    seed: int,
    temperature: float = 1.0,
    on_row: OnRow | None = None,
    first: int = 0,
    label: int | str | Sequence[int | str] | None = None,
    log_p: NDArray[np.float64] | None = None,
) -> Tensor:
    """Draw n images given the small one of a Multi-Scale model (section 3.6), and
    return their values (n, C, H, W), int64.

    small: (C, s, s) or (n, C, s, s), integers 0..V-1; in main memory.
    seed, first: image i has the noise of (seed, first + i); 0 to 2^64 - 1.
    temperature: divides the logits; 1 is the model's own distribution.
    on_row: on_row(i, y, values) is called when row y of image i has become final;
        values (C, W).
    label: name or index of the label of all images, or a sequence of one for each.
        Default: the model's label if it is conditioned on one; otherwise, in a model
        with labels, the noise of each image chooses one with p(label | small).
    log_p: float array (n,) that receives ln p of each image given its small image,
        whose own ln p is not included.

    Raises DataError for a model of one scale or small images of another shape,
    ConfigError for a label that the model does not have.
    """
    config = model.config
    if not config.multi_scale:
        raise DataError(
            f"{model.card.name} has one scale: upsampling needs a Multi-Scale model"
        )
    shape = config.channels, config.small.height, config.small.width
    given = _each(small, n, shape, "small").numpy()
    labels = [model.card.label_number(each) for each in _for_each(label, n)]
    every = np.ones((config.height, config.width), bool)
    asked = [
        {
            "small": given[i],
            "label": labels[i],
            "label_from": every,
            "weighed": log_p is not None,
        }
        for i in range(n)
    ]
    return draw(
        model,
        [ImageRequest(seed, first + i, temperature, **asked[i]) for i in range(n)],
        on_row,
        log_p=log_p,
    )


def draw(
    model: Model,
    requests: Sequence[ImageRequest],
    on_row: OnRow | None = None,
    size: tuple[int, int] | None = None,
    log_p: NDArray[np.float64] | None = None,
) -> Tensor:
    """Draw the requested images, and return their values (n, C, H, W), int64, in the
    order of the requests.

    on_row: on_row(i, y, values) is called when row y of image i has become final;
        values (C, W).
    size: (W, H): all images are fields of this size, pictures that are larger than the
        model's images. Default: the size of the model's images.
    log_p: float array (n,) that receives ln p of the images whose request is `weighed`;
        the other elements are left as they are.

    Raises ConfigError for a size that the model cannot draw.
    """
    if size is not None and size != (model.config.width, model.config.height):
        model, windows = model.field(*size)
        requests = [replace(request, windows=windows) for request in requests]
    if len(requests) == 1:
        return _draw_alone(model, requests, on_row, log_p)
    most = seats(model) * threads_in_use()
    return _draw(
        Engine(model, min(most, max(1, len(requests)))),
        model.config,
        requests,
        on_row,
        log_p,
    )


def _draw_alone(
    model: Model,
    requests: Sequence[ImageRequest],
    on_row: OnRow | None,
    log_p: NDArray[np.float64] | None,
) -> Tensor:
    """Draw one image with the engine that is kept for the model."""
    versions = tuple(
        network.weight_versions()
        for member in model.members
        for network in networks_of(member.network)
    )
    # An engine for single images is kept with the model.
    # The engine is taken out while it draws: another thread makes one of its own, and
    # an error leaves no image in it behind.
    of_weights, engine = _kept.pop(model, ((), None))
    if engine is None or of_weights != versions or None in versions:
        engine = Engine(model, 1)
    images = _draw(engine, model.config, requests, on_row, log_p)
    _kept[model] = versions, engine
    return images


def _draw(
    engine: Engine,
    config: NetworkConfig,
    requests: Sequence[ImageRequest],
    on_row: OnRow | None,
    log_p: NDArray[np.float64] | None,
) -> Tensor:
    """Draw all requests with an engine, and return the values (n, C, H, W)."""
    rows = config.height
    if requests and requests[0].windows:
        rows = requests[0].windows.rows
    images = torch.zeros(
        len(requests), config.channels, rows, config.width, dtype=torch.int64
    )
    waiting = deque(enumerate(requests))
    seated: dict[int, int] = {}
    while waiting or engine.busy:
        while waiting and engine.free:
            i, request = waiting.popleft()
            seated[engine.admit(request)] = i
        for row in engine.step():
            if row.of_small:
                continue
            i = seated[row.ticket]
            images[i, :, row.y] = torch.from_numpy(row.values)
            if log_p is not None and row.log_p is not None:
                log_p[i] = row.log_p
            if on_row is not None:
                on_row(i, row.y, images[i, :, row.y])
    return images


def _for_each(
    label: int | str | Sequence[int | str] | None, n: int
) -> Sequence[int | str | None]:
    if label is None or isinstance(label, int | str):
        return [label] * n
    if len(label) != n:
        raise DataError(
            f"expected one label, or one for each of {n} images, not {len(label)}"
        )
    return label


def tensor_of(array: NDArray[Any]) -> Tensor:
    """Return an array as a tensor for the functions of this file: bool as it is,
    sharing its memory; everything else as a copy of type int64."""
    return torch.from_numpy(
        array if array.dtype == np.bool_ else array.astype(np.int64)
    )


def _each(given: Tensor, n: int, shape: tuple[int, ...], name: str) -> Tensor:
    if given.shape not in (shape, (n, *shape)):
        raise DataError(
            f"{name} must be {shape} or {(n, *shape)}, not {tuple(given.shape)}"
        )
    return given.expand(n, *shape)
