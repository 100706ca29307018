"""From a request on the command line to a PNG: what `pixelrnn sample` and `pixelrnn complete` do."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model_core.data.images import read_keep, read_values, write_grid
from model_core.errors import DataError
from model_core.models import Model, load_model
from model_core.sampling import sample


@dataclass(frozen=True)
class Drawing:
    """What to draw and where to; with an image and a mask, what the mask shows white is filled."""

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
    known = keep = None
    if drawing.image is not None and drawing.mask is not None:
        known = torch.from_numpy(read_values(drawing.image, model.config))
        keep = torch.from_numpy(read_keep(drawing.mask, model.config))
    started = time.perf_counter()
    values = sample(model, drawing.n, drawing.seed, drawing.temperature, known=known, keep=keep).cpu().numpy()
    seconds = time.perf_counter() - started
    _write(drawing, model, values)
    return {
        "model": model.card.name,
        "n": drawing.n,
        "seed": drawing.seed,
        "temperature": drawing.temperature,
        "seconds": seconds,
        "out": str(drawing.out),
    }


def _write(drawing: Drawing, model: Model, values: np.ndarray) -> None:
    try:
        drawing.out.parent.mkdir(parents=True, exist_ok=True)
        write_grid(values, model.config, drawing.out, drawing.scale)
    except OSError as error:
        raise DataError(f"cannot write {drawing.out}: {error.strerror}") from None
