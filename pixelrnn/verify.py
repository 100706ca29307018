"""`pixelrnn verify`: check whether a model draws a picture again from the seed that the
picture names. It needs no server."""

from pathlib import Path
from typing import Any

_NAMED = 16


def verify_file(picture: Path, models_dir: Path | None, device: str) -> dict[str, Any]:
    """Draw the images of a picture again with the model, seed and options that its file
    names, compare every pixel, and return the verdict as facts.

    picture: a PNG of a sample, or of a sheet of several, as `sample` writes it.
    models_dir: where to look for a model with these weights; None: the usual directory.

    `verified` is True if no pixel differs, `changed_pixels` the number of those that
    do, and `changed` has the first 16 of them: the sample, and the pixel in it. A pixel
    of a sheet that is outside its images has the sample None and its place in the
    sheet, without enlargement. The others are model, card_changed, seed and samples.

    Raises DataError if the file cannot be read, does not say how it was drawn, or was
    drawn with other arithmetic than this machine's, so that its bytes may differ;
    ModelError if no model has its weights, or it cannot be loaded.
    """
    import numpy as np

    from model_core.data.images import LINE_GREY, cut, read_drawn
    from model_core.data.palette import (
        gap_of,
        one_transparent,
        picture_colours,
        values_of_pixels,
    )
    from model_core.errors import DataError
    from model_core.image_request import ways_of
    from model_core.measures.verification import changed_pixels
    from model_core.models import load_by_digest
    from model_core.sampling.stages import numerics_of
    from worker.contract.provenance import Provenance, ProvenanceError, expect_numerics
    from worker.contract.size import sides

    # Imported here, so that `--help` and verbs of other kinds load no torch.
    text, table = read_drawn(picture)
    try:
        provenance = Provenance.of(text)
        model = load_by_digest(
            provenance.digest, models_dir, device, provenance.identity
        )
        expect_numerics(provenance.numerics, numerics_of(model))
        provenance.expect_labels([label.name for label in model.card.labels])
        width, height = (
            sides(provenance.options.size)
            if provenance.options.size
            else (model.config.width, model.config.height)
        )
    except ProvenanceError as error:
        raise DataError(f"{picture} cannot be verified: {error}") from None
    config = model.config
    if table.shape[2] != (4 if model.card.palette else config.channels):
        raise DataError(
            f"{picture} has other colours than it was written with: another program "
            "saved it"
        )
    palette = model.card.palette
    between = [LINE_GREY]
    if palette:
        between = picture_colours(palette)[gap_of(palette)].tolist()
        table = one_transparent(table)
    sheet = cut(table, provenance.samples, height, width, between=between)
    pixels = sheet.images
    samples = [provenance.sample + i for i in range(provenance.samples)]
    labels = [
        model.card.label_number(provenance.label_of(i))
        for i in range(provenance.samples)
    ]
    if palette:
        pixels = values_of_pixels(pixels, palette)
    changed = (
        changed_pixels(
            model,
            pixels,
            samples,
            provenance.seed,
            provenance.temperature,
            labels,
            **ways_of(provenance.options.drawing()),
        )
        | sheet.broken
    )
    outside = [
        {"sample": None, "x": int(x), "y": int(y)}
        for y, x in np.argwhere(sheet.foreign)
    ]
    inside = [
        {"sample": samples[i], "x": int(x), "y": int(y)}
        for i, y, x in np.argwhere(changed)
    ]
    places = inside + outside
    return {
        "verified": not len(places),
        "model": model.card.name,
        "card_changed": model.card.has_changed_since(provenance.identity),
        "seed": provenance.seed,
        "samples": provenance.samples,
        "changed_pixels": len(places),
        "changed": places[:_NAMED],
    }
