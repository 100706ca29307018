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
class Drawing:
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


def draw(drawing: Drawing) -> dict[str, Any]:
    """Draw and write the PNG; returns what was done. Raises the errors of load_model, and DataError."""
    model = load_model(drawing.model, device=drawing.device, models_dir=drawing.models_dir)
    _check_place(drawing.out)
    started = time.perf_counter()
    values = _values(drawing, model)
    seconds = time.perf_counter() - started
    _write(drawing, model, values.cpu().numpy())
    return {
        "model": model.card.name,
        "n": drawing.n,
        "seed": drawing.seed,
        "temperature": drawing.temperature,
        "seconds": seconds,
        "out": str(drawing.out),
    }


def _values(drawing: Drawing, model: Model) -> Tensor:
    how = drawing.n, drawing.seed, drawing.temperature
    if drawing.image is None:
        return sample(model, *how)
    if drawing.mask is None:
        if not model.config.multi_scale:
            raise DataError(f"{model.card.name} has one scale: upsampling needs a Multi-Scale model")
        return upsample(model, torch.from_numpy(read_values(drawing.image, model.config.small)), *how)
    known = torch.from_numpy(read_values(drawing.image, model.config))
    return sample(model, *how, known=known, keep=torch.from_numpy(read_keep(drawing.mask, model.config)))


def _check_place(out: Path) -> None:
    """A picture that cannot be written is refused before it is drawn."""
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror}") from None
    if out.is_dir():
        raise DataError(f"cannot write {out}: it is a directory")


def _write(drawing: Drawing, model: Model, values: np.ndarray) -> None:
    try:
        write_grid(values, model.config, drawing.out, drawing.scale)
    except OSError as error:
        raise DataError(f"cannot write {drawing.out}: {error.strerror}") from None
