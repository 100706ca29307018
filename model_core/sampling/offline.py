"""Draw images here and now, without a server."""

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Unpack
from weakref import WeakKeyDictionary

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.config import NetworkConfig
from model_core.errors import DataError
from model_core.image_request import ImageRequest, Ways
from model_core.models import Model
from model_core.networks.pixel_network import WeightVersions
from model_core.sampling.compiled.threads import threads_in_use
from model_core.sampling.model_engine import Engine
from model_core.sampling.stages import networks_of, seats

OnRow = Callable[[int, int, Tensor], None]

_kept: WeakKeyDictionary[Model, tuple[tuple[WeightVersions | None, ...], Engine]] = (
    WeakKeyDictionary()
)
"""An engine of one slot for each model: to make one takes half as long as to draw a small image."""


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
    **ways: Unpack[Ways],
) -> Tensor:
    """Draw n images: values (n, C, H, W), int64. Image i has the noise of (seed, first + i), whatever n is.

    known (C, H, W) or (n, C, H, W) values are taken where keep (H, W) or (n, H, W) is True; of a mixture, the `member`
    of that number draws the rest. label: by name or number, of all images, or of each; without one, where the model has
    labels, an image's noise chooses one by the prior, or by p(label | what is given before the first pixel drawn).
    on_row(i, y, values (C, W)) is called as each row becomes final. size (W, H): of fields, pictures larger than the
    model's. ways: further options of a job that change pixels. log_p (n,): an array into which ln p of each image is
    put, as in `draw_weighed`.

    Raises DataError for shapes that do not fit, ConfigError for a label or size that the model does not have.
    """
    labels = [model.card.label_number(each) for each in _for_each(label, n)]
    if (known is None) != (keep is None):
        raise DataError(
            "known and keep go together: the given values, and where they are to be kept"
        )
    if known is None or keep is None:
        asked = [
            ImageRequest(
                seed,
                first + i,
                temperature,
                label=labels[i],
                weighed=log_p is not None,
                **ways,
            )
            for i in range(n)
        ]
        return draw(model, asked, on_row, size, log_p)
    if size is not None:
        raise DataError(
            "a picture of another size is drawn from nothing: expected a size, or known and keep"
        )
    config = model.config
    shape = config.channels, config.height, config.width
    values, kept = (
        _each(known, n, shape, "known").numpy(),
        _each(keep, n, shape[1:], "keep").numpy(),
    )
    given = [
        {"known": values[i], "keep": kept[i], "label_from": kept[i], "label": labels[i]}
        for i in range(n)
    ]
    requests = [
        ImageRequest(seed, first + i, temperature, member=member, **given[i], **ways)
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
    """Draw n images (n, C, H, W) given the first, small one of a Multi-Scale model (section 3.6): (C, s, s) values.
    on_row and first as in `sample`; label too, but that an image without one has it by p(label | small).

    Raises DataError for a model of one scale, or a small image of another size; ConfigError for a label that the model
    does not have.
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


def draw_weighed(
    model: Model,
    requests: Sequence[ImageRequest],
    on_row: OnRow | None = None,
    size: tuple[int, int] | None = None,
) -> tuple[Tensor, NDArray[np.float64]]:
    """Draw as `draw` does, and return ln p of each image too: float64 (n,).

    That is ln of the probability of the whole image, given pixels included, under the
    distribution that drew it: at its temperature, of the whole mixture, and given the
    label if the request names one.
    """
    weighed = [replace(request, weighed=True) for request in requests]
    log_p = np.zeros(len(requests))
    return draw(model, weighed, on_row, size, log_p), log_p


def draw(
    model: Model,
    requests: Sequence[ImageRequest],
    on_row: OnRow | None = None,
    size: tuple[int, int] | None = None,
    log_p: NDArray[np.float64] | None = None,
) -> Tensor:
    """Draw what is asked for: values (n, C, H, W), int64. on_row and size as in `sample`.

    log_p (n,): where ln p of the weighed images is put. Of more images than are drawn side by side, the next takes its
    seat as soon as one is free.
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
    """Draw one image with the engine that is kept for the model, which is nobody else's meanwhile."""
    versions = tuple(
        network.weight_versions()
        for member in model.members
        for network in networks_of(member.network)
    )
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
    rows = (
        requests[0].windows.rows if requests and requests[0].windows else config.height
    )
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
    """The label of each of n images."""
    if label is None or isinstance(label, int | str):
        return [label] * n
    if len(label) != n:
        raise DataError(
            f"expected one label, or one for each of {n} images, not {len(label)}"
        )
    return label


def tensor_of(array: NDArray[Any]) -> Tensor:
    """The array as functions here take it: whole numbers, or the truth about places."""
    return torch.from_numpy(
        array if array.dtype == np.bool_ else array.astype(np.int64)
    )


def _each(given: Tensor, n: int, shape: tuple[int, ...], name: str) -> Tensor:
    """One for each of n images: `shape`, or (n, *shape)."""
    if given.shape not in (shape, (n, *shape)):
        raise DataError(
            f"{name} must be {shape} or {(n, *shape)}, not {tuple(given.shape)}"
        )
    return given.expand(n, *shape)
