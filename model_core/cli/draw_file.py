"""From a request on the command line to a PNG: what `pixelrnn sample`, `complete` and `upsample` do."""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from model_core.data.images import check_place, read_keep, read_values, write_grid
from model_core.errors import DataError
from model_core.measures.picture_score import score_picture
from model_core.models import Model, load_model
from model_core.posterior.completion import complete
from model_core.sampling import sample, upsample
from model_core.sampling.stages import numerics_of


@dataclass(frozen=True)
class DrawRequest:
    """What to draw and where to: new images, or with a `small` one its upsampling."""

    model: str
    models_dir: Path | None
    device: str
    n: int
    seed: int
    temperature: float
    out: Path
    scale: int = 1
    small: Path | None = None
    resize: bool = False
    """Whether pictures of another size than the model's are stretched to it."""


@dataclass(frozen=True)
class CompleteRequest:
    """A picture whose hole is filled: what the mask shows white, or where the picture itself is transparent."""

    drawing: DrawRequest
    image: Path
    mask: Path | None
    method: str | None
    """posterior or clamp; None: the posterior, where the model has one."""
    particles: int
    sweeps: int
    rank: bool = False
    """Whether the completions are scored as whole images."""


def complete_file(request: CompleteRequest) -> dict[str, Any]:
    """Complete the picture and write it; returns what was done, of a posterior its receipt, and the ranking.

    Raises the errors of load_model and complete, and DataError.
    """
    drawing = request.drawing
    model = _model(drawing)
    known = torch.from_numpy(read_values(request.image, model.config, drawing.resize))
    hole = read_keep(request.mask or request.image, model.config, request.mask is None, drawing.resize)
    keep = torch.from_numpy(hole)
    method = request.method or ("clamp" if model.config.multi_scale else "posterior")
    started = time.perf_counter()
    how = drawing.n, drawing.seed, drawing.temperature, method, request.particles, request.sweeps
    completion = complete(model, known, keep, *how)
    facts = _written("complete", drawing, model, completion.values, time.perf_counter() - started)
    receipt = {"posterior": completion.receipt.to_dict()} if method == "posterior" else {}
    ranking = {"ranking": _ranking(model, completion.values)} if request.rank else {}
    return {**facts, "method": method, **receipt, **ranking}


def _ranking(model: Model, values: Tensor) -> list[dict[str, Any]]:
    """Samples and their nats as whole images, likeliest first."""
    nats = [score_picture(model, image).nats for image in values.cpu().numpy()]
    return [{"sample": i, "nats": nats[i]} for i in sorted(range(len(nats)), key=lambda i: nats[i])]


def draw(request: DrawRequest) -> dict[str, Any]:
    """Draw and write the picture; returns what was done. Raises the errors of load_model, and DataError."""
    model = _model(request)
    started = time.perf_counter()
    values = _values(request, model)
    kind = "sample" if request.small is None else "upsample"
    return _written(kind, request, model, values, time.perf_counter() - started)


def _model(request: DrawRequest) -> Model:
    model = load_model(request.model, device=request.device, models_dir=request.models_dir)
    check_place(request.out)
    return model


def _recipe(kind: str, request: DrawRequest, model: Model) -> dict[str, str]:
    """How a picture was drawn, in the words of the service (worker.contract.recipe); a sample can be drawn again."""
    return {
        "kind": kind,
        "model": model.card.name,
        "digest": model.card.sha256,
        "seed": str(request.seed),
        "temperature": repr(request.temperature),
        "numerics": numerics_of(model),
        "samples": str(request.n),
    }


def _written(kind: str, request: DrawRequest, model: Model, values: Tensor, seconds: float) -> dict[str, Any]:
    _write(request, model, values.cpu().numpy(), _recipe(kind, request, model))
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
    if request.small is None:
        return sample(model, *how)
    if not model.config.multi_scale:
        raise DataError(f"{model.card.name} has one scale: upsampling needs a Multi-Scale model")
    return upsample(model, torch.from_numpy(read_values(request.small, model.config.small, request.resize)), *how)


def _write(request: DrawRequest, model: Model, values: np.ndarray, text: dict[str, str]) -> None:
    try:
        write_grid(values, model.config, request.out, request.scale, text)
    except OSError as error:
        raise DataError(f"cannot write {request.out}: {error.strerror}") from None
