"""`pixelrnn verify`: did this model draw this picture, with the seed that the picture names? Needs no server."""

from pathlib import Path
from typing import Any

_NAMED = 16


def verify_file(picture: Path, models_dir: Path | None, device: str) -> dict[str, Any]:
    """Draw a picture again and compare. DataError for one of which that cannot be told, ModelError when there is no
    model of its weights."""
    import numpy as np

    from model_core.data.images import cut, read_drawn
    from model_core.data.palette import values_shown
    from model_core.errors import DataError
    from model_core.measures.verification import changed_pixels
    from model_core.models import load_by_digest
    from model_core.sampling.stages import numerics_of
    from worker.contract.provenance import Provenance, ProvenanceError, expect_numerics
    from worker.contract.size import sides

    text, table = read_drawn(picture)
    try:
        provenance = Provenance.of(text)
        model = load_by_digest(
            provenance.digest, models_dir, device, provenance.identity
        )
        expect_numerics(provenance.numerics, numerics_of(model))
        provenance.expect_labels([label.name for label in model.card.labels])
        width, height = (
            sides(provenance.size)
            if provenance.size
            else (model.config.width, model.config.height)
        )
    except ProvenanceError as error:
        raise DataError(f"{picture} cannot be verified: {error}") from None
    config = model.config
    if table.shape[2] != (4 if model.card.palette else config.channels):
        raise DataError(
            f"{picture} has other colours than it was written with: another program saved it"
        )
    pixels, broken = cut(table, provenance.samples, height, width)
    samples = [provenance.sample + i for i in range(provenance.samples)]
    labels = [
        model.card.label_number(provenance.label_of(i))
        for i in range(provenance.samples)
    ]
    if model.card.palette:
        pixels = values_shown(pixels, model.card.palette)
    changed = (
        changed_pixels(
            model, pixels, samples, provenance.seed, provenance.temperature, labels
        )
        | broken
    )
    places = np.argwhere(changed)
    return {
        "verified": not len(places),
        "model": model.card.name,
        "card_changed": model.card.has_changed_since(provenance.identity),
        "seed": provenance.seed,
        "samples": provenance.samples,
        "changed_pixels": len(places),
        "changed": [
            {"sample": samples[i], "x": int(x), "y": int(y)}
            for i, y, x in places[:_NAMED]
        ],
    }
