"""A request on the command line to a PNG: the work of `pixelrnn sample`, `complete` and `upsample`."""

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from model_core.cli.progress import Work
from model_core.data.images import (
    check_picture_place,
    expected_picture,
    grid,
    read_keep,
    read_nearest,
    read_values,
    save_picture,
)
from model_core.errors import DataError
from model_core.measures.picture_score import score_picture
from model_core.models import Model, load_model
from model_core.posterior.completion import Completion, complete, share_of_rows
from model_core.sampling.offline import OnRow, sample, upsample
from model_core.sampling.stages import numerics_of


@dataclass(frozen=True)
class DrawRequest:
    """A request to draw into a file: new images, or with a `small` one its upsampling."""

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
    """Stretches pictures of another size than the model's to it."""
    nearest: bool = False
    """Takes the nearest of a palette for other colours."""
    first: int = 0
    """Number of the first image among those of the seed."""
    size: tuple[int, int] | None = None
    """Width and height of larger pictures than the model's."""
    labels: tuple[str, ...] = ()
    """Labels by name or number: one of all images, or one for each."""

    @property
    def label(self) -> str | tuple[str, ...] | None:
        """The labels, as `sample` takes them."""
        return self.labels[0] if len(self.labels) == 1 else self.labels or None


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
    """Scores the completions as whole images."""


@dataclass(frozen=True)
class Drawn:
    """The result of a request."""

    facts: dict[str, Any]
    """Facts for the user: what was done, the receipt of a posterior, the ranking."""
    picture: Image.Image
    """The picture that was written."""


def complete_file(model: Model, request: CompleteRequest, work: Work, doing: str = "completing") -> Drawn:
    """Complete the picture and write it. Raises the errors of complete, and DataError."""
    drawing = request.drawing
    check_picture_place(drawing.out, model.card.palette)
    palette = model.card.palette
    hole = read_keep(request.mask or request.image, model.config, request.mask is None, drawing.resize, palette)
    given, _ = read_nearest(request.image, model.config, drawing.resize, palette, drawing.nearest, hole)
    known, keep = torch.from_numpy(given.astype(np.int64)), torch.from_numpy(hole)
    method = request.method or ("clamp" if model.config.multi_scale else "posterior")
    started = time.perf_counter()
    how = drawing.n, drawing.seed, drawing.temperature, method, request.particles, request.sweeps
    completion = complete(model, known, keep, *how, work.begin(doing), drawing.first, *drawing.labels)
    drawn = _kept_picture("complete", drawing, model, _picture_of(completion, model, drawing.scale), started)
    if request.rank:
        work.begin("ranking")
    receipt = {"posterior": completion.receipt.to_dict()} if method == "posterior" else {}
    ranking = {"ranking": _ranking(model, completion.values)} if request.rank else {}
    return Drawn({**drawn.facts, "method": method, **receipt, **ranking}, drawn.picture)


def _picture_of(completion: Completion, model: Model, scale: int) -> Image.Image:
    """The images, or without any the expected one."""
    if completion.mean is None or len(completion.values):
        return grid(completion.values.cpu().numpy(), model.config, scale, model.card.palette)
    return expected_picture(completion.mean.numpy(), model.config, scale, model.card.palette)


def _ranking(model: Model, values: Tensor) -> list[dict[str, Any]]:
    """Samples and their nats as whole images, likeliest first."""
    nats = [score_picture(model, image).nats for image in values.cpu().numpy()]
    return [{"sample": i, "nats": nats[i]} for i in sorted(range(len(nats)), key=lambda i: nats[i])]


def draw(request: DrawRequest, work: Work) -> Drawn:
    """Draw and write the picture. Raises the errors of load_model, and DataError."""
    model = opened(request, work)
    started = time.perf_counter()
    rows = request.size[1] if request.size else model.config.height
    values = _values(request, model, share_of_rows(request.n * rows, work.begin("drawing")))
    kind = "sample" if request.small is None else "upsample"
    picture = grid(values.cpu().numpy(), model.config, request.scale, model.card.palette)
    return _kept_picture(kind, request, model, picture, started)


def opened(request: DrawRequest, work: Work) -> Model:
    """The model, once it is known that the picture can be written. Raises the errors of load_model, and DataError."""
    work.begin(f"loading {request.model}")
    model = load_model(request.model, device=request.device, models_dir=request.models_dir)
    check_picture_place(request.out, model.card.palette)
    return model


def _provenance(kind: str, request: DrawRequest, model: Model) -> dict[str, str]:
    """How a picture was drawn, in the words of worker.contract.provenance; a sample can be drawn again."""
    own = model.config.width, model.config.height
    width, height = request.size or own
    return {
        "kind": kind,
        "model": model.card.name,
        "digest": model.card.sha256,
        "identity": model.card.identity,
        "seed": str(request.seed),
        "temperature": repr(request.temperature),
        "numerics": numerics_of(model),
        "sample": str(request.first),
        "samples": str(request.n),
        **({"size": f"{width}x{height}"} if request.size not in (None, own) else {}),
        **_labels_told(request, model),
    }


def _labels_told(request: DrawRequest, model: Model) -> dict[str, str]:
    """Names of the labels that were asked for, as the service tells them: once where all are the same."""
    names = [model.card.labels[model.card.label_number(asked) or 0].name for asked in request.labels]
    if len(set(names)) > 1:
        return {"labels": json.dumps(names)}
    return {"label": names[0]} if names else {}


def _kept_picture(kind: str, request: DrawRequest, model: Model, picture: Image.Image, started: float) -> Drawn:
    """started: when drawing began, by time.perf_counter."""
    seconds = time.perf_counter() - started
    write_picture(picture, request.out, _provenance(kind, request, model))
    facts = {
        "model": model.card.name,
        "n": request.n,
        "seed": request.seed,
        "temperature": request.temperature,
        "seconds": seconds,
        "out": str(request.out),
    }
    return Drawn(facts, picture)


def _values(request: DrawRequest, model: Model, on_row: OnRow) -> Tensor:
    how = request.n, request.seed, request.temperature
    if request.small is None:
        return sample(model, *how, on_row=on_row, first=request.first, label=request.label, size=request.size)
    if not model.config.multi_scale:
        raise DataError(f"{model.card.name} has one scale: upsampling needs a Multi-Scale model")
    small = torch.from_numpy(read_values(request.small, model.config.small, request.resize))
    return upsample(model, small, *how, on_row, request.first, request.label)


def write_picture(picture: Image.Image, out: Path, text: dict[str, str]) -> None:
    """Write it with this text in its file. DataError where that cannot be."""
    try:
        save_picture(picture, out, text)
    except OSError as error:
        raise DataError(f"cannot write {out}: {error.strerror}") from None
