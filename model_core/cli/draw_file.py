"""From a request on the command line to a PNG: what `pixelrnn sample`, `complete` and `upsample` do."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_core.data.images import read_keep, read_values, write_grid
from model_core.errors import DataError
from model_core.models import Model, load_model
from model_core.sampling import sample, upsample


@dataclass(frozen=True)
class DrawRequest:
    """What to draw and where to. With an image and a mask, what the mask shows white is filled; an image alone is the
    small one of a Multi-Scale model, and is upsampled."""

    model: str
    models_dir: Path | None
    device: str
    n: int
    seed: int
    temperature: float
    out: Path
    scale: int = 1
    image: Path | None = None
    mask: Path | None = None


def draw(request: DrawRequest) -> dict[str, Any]:
    """Draw and write the PNG; returns what was done. Raises the errors of load_model, and DataError."""
    model = load_model(request.model, device=request.device, models_dir=request.models_dir)
    _check_place(request.out)
    started = time.perf_counter()
    values = _values(request, model)
    seconds = time.perf_counter() - started
    _write(request, model, values.cpu().numpy())
    return {
        "model": model.card.name,
        "n": request.n,
        "seed": request.seed,
        "temperature": request.temperature,
        "seconds": seconds,
        "out": str(request.out),
    }


def _values(request: DrawRequest, model: Model) -> Tensor:
    how = request.n, request.seed, request.temperature
    if request.image is None:
        return sample(model, *how)
    if request.mask is None:
        if not model.config.multi_scale:
            raise DataError(f"{model.card.name} has one scale: upsampling needs a Multi-Scale model")
        return upsample(model, torch.from_numpy(read_values(request.image, model.config.small)), *how)
    known = torch.from_numpy(read_values(request.image, model.config))
    return sample(model, *how, known=known, keep=torch.from_numpy(read_keep(request.mask, model.config)))


def _check_place(out: Path) -> None:
    """A picture that cannot be written is refused before it is drawn."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror}") from None
    if out.is_dir():
        raise DataError(f"cannot write {out}: it is a directory")


def _write(request: DrawRequest, model: Model, values: np.ndarray) -> None:
    try:
        write_grid(values, model.config, request.out, request.scale)
    except OSError as error:
        raise DataError(f"cannot write {request.out}: {error.strerror}") from None
