"""A picture file, or a part of it, to the labels that it may have: the work of `pixelrnn classify`."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from model_core.data.images import read_keep, read_values
from model_core.models import load_model
from model_core.posterior.classify import Classification, classify


@dataclass(frozen=True)
class ClassifyRequest:
    """A picture to classify, of which all is given, or what the mask shows black."""

    model: str
    image: Path
    mask: Path | None = None
    models_dir: Path | None = None
    device: str = "cpu"
    seed: int = 0
    particles: int = 32
    resize: bool = False


def classify_file(request: ClassifyRequest) -> dict[str, Any]:
    """The labels, the likeliest first, and how good that is.

    Raises the errors of load_model and classify, and DataError for a picture or a mask that cannot be read.
    """
    model = load_model(request.model, device=request.device, models_dir=request.models_dir)
    values, keep = torch.from_numpy(read_values(request.image, model.config, request.resize)), None
    if request.mask is not None:
        keep = torch.from_numpy(read_keep(request.mask, model.config, resize=request.resize))
    found = classify(model, values, keep, request.seed, request.particles)
    names = [label.name for label in model.card.labels]
    return {"model": model.card.name, **told(found, names), "exact": found.exact, "quality": found.quality}


def told(found: Classification, names: list[str]) -> dict[str, Any]:
    """The labels of one picture as JSON takes them, the likeliest first, and nats of the whole."""
    sd = [None] * len(names) if found.sd is None else found.sd[0].tolist()
    nats = found.nats[0].tolist()
    labels = [
        {"label": k, "name": names[k], "p": float(found.p[0, k]), "nats": nats[k], "sd": sd[k]}
        for k in np.argsort(-found.p[0], kind="stable").tolist()
    ]
    return {"nats": float(found.total_nats[0]), "labels": labels}
