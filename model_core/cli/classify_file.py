"""A picture file, or a part of it, to the labels that it may have: the work of `pixelrnn classify`."""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from model_core.data.images import read_keep, read_nearest
from model_core.models import Model
from model_core.posterior.classify import Classification, classify


def classify_file(
    model: Model, image: Path, mask: Path | None, seed: int, particles: int, resize: bool, nearest: bool = False
) -> dict[str, Any]:
    """The labels of a picture, of which all is given or what the mask shows black, the likeliest first, and how good
    that is.

    Raises the errors of classify, and DataError for a picture or a mask that cannot be read.
    """
    keep = None if mask is None else read_keep(mask, model.config, resize=resize)
    values, _ = read_nearest(image, model.config, resize, model.card.palette, nearest, keep)
    given = None if keep is None else torch.from_numpy(keep)
    found = classify(model, torch.from_numpy(values.astype(np.int64)), given, seed, particles)
    names = [label.name for label in model.card.labels]
    return {"model": model.card.name, **label_facts(found, names), "exact": found.exact, "quality": found.quality}


def label_facts(found: Classification, names: list[str]) -> dict[str, Any]:
    """The labels of one picture as JSON takes them, the likeliest first, and nats of the whole."""
    sd = [None] * len(names) if found.sd is None else found.sd[0].tolist()
    nats = found.nats[0].tolist()
    labels = [
        {"label": k, "name": names[k], "p": float(found.p[0, k]), "nats": nats[k], "sd": sd[k]}
        for k in np.argsort(-found.p[0], kind="stable").tolist()
    ]
    return {"nats": float(found.total_nats[0]), "labels": labels}
