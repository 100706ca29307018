"""Draw images here and now, without a server."""

from collections import deque
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from model_core.errors import DataError
from model_core.models import Model
from model_core.sampling.engine import DrawnRow, Engine, ImageRequest

SLOTS = 64
"""Images drawn side by side; more are drawn one batch after the other, seats filled as they become free."""


def sample(
    model: Model,
    n: int,
    seed: int,
    temperature: float = 1.0,
    known: Tensor | None = None,
    keep: Tensor | None = None,
    on_row: Callable[[int, int, Tensor], None] | None = None,
) -> Tensor:
    """Draw n images: values (n, C, H, W), int64. Image i has the noise of (seed, i), whatever n is.

    known (C, H, W) or (n, C, H, W) values are taken where keep (H, W) or (n, H, W) is True.
    on_row(i, y, values (C, W)) is called as each row becomes final. Raises DataError for shapes that do not fit.
    """
    config = model.config
    images = torch.zeros(n, config.channels, config.height, config.width, dtype=torch.int64)
    waiting = deque(enumerate(_requests(model, n, seed, temperature, known, keep)))
    engine = Engine(model, min(SLOTS, max(1, n)))
    seated: dict[int, int] = {}
    while waiting or engine.busy:
        for i, request in [waiting.popleft() for _ in range(min(engine.free, len(waiting)))]:
            seated[engine.admit(request)] = i
        for row in engine.step():
            _take(row, seated[row.ticket], images, on_row)
    return images


def _take(row: DrawnRow, i: int, images: Tensor, on_row: Callable[[int, int, Tensor], None] | None) -> None:
    images[i, :, row.y] = torch.from_numpy(row.values.astype(np.int64))
    if on_row is not None:
        on_row(i, row.y, images[i, :, row.y])


def _requests(
    model: Model, n: int, seed: int, temperature: float, known: Tensor | None, keep: Tensor | None
) -> list[ImageRequest]:
    if known is None or keep is None:
        if known is not None or keep is not None:
            raise DataError("known and keep go together: the given values, and where they are to be kept")
        return [ImageRequest(seed, i, temperature) for i in range(n)]
    config = model.config
    shape = (n, config.channels, config.height, config.width)
    try:
        values = known.expand(shape).numpy()
        kept = keep.expand(n, *shape[2:]).numpy()
    except RuntimeError:
        raise DataError(
            f"known must be {shape[1:]} and keep {shape[2:]}, not {tuple(known.shape)} and {tuple(keep.shape)}"
        ) from None
    return [ImageRequest(seed, i, temperature, values[i], kept[i]) for i in range(n)]
