"""`pixelrnn verify`: check whether a model draws a picture again from the seed that the
picture names. It needs no server."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model_core.data.damaged import PICTURE_ERRORS
from model_core.data.images import LINE_GREY, Sheet, cut
from model_core.data.palette import (
    gap_of,
    one_transparent,
    picture_colours,
    values_of_pixels,
)
from model_core.errors import DataError
from model_core.measures.verification import changed_pixels
from model_core.models import Model, load_by_digest
from model_core.sampling.stages import numerics_of
from worker.contract.drawn_picture import DrawnPicture
from worker.contract.provenance import Provenance, ProvenanceError, expect_numerics
from worker.contract.size import sides

_NAMED = 16
"""Changed pixels that are named, at most."""


def verify_file(picture: Path, models_dir: Path | None, device: str) -> dict[str, Any]:
    """Draw the images of a picture again with the model, seed and options that its file
    names, compare every pixel, and return the verdict as facts:

    model, card_changed, seed, samples: of the picture.
    verified: True if no pixel differs.
    name: the name whose picture it is, if it is verified and the file has a name that
        hashes to its seed; else None.
    changed_pixels: number of pixels that do.
    changed: the first 16 of them, with sample and place; outside the images of a sheet
        the sample is None, and the place is that in the sheet, without enlargement.

    Arguments:

    picture: a PNG of a sample, or of a sheet of several, as `sample` writes it.
    models_dir: where to look for a model with these weights; None: the usual directory.
    device: where to draw, such as cpu.

    Raises DataError if the file cannot be verified on this machine, ModelError if no
    model has its weights.
    """
    try:
        file = DrawnPicture.of(_content(picture))
        provenance = Provenance.of(file.text)
        model = load_by_digest(
            provenance.digest, models_dir, device, provenance.identity
        )
        expect_numerics(provenance.numerics, numerics_of(model))
        provenance.expect_labels([label.name for label in model.card.labels])
        pixels = _pixels(picture, file, model)
    except ProvenanceError as error:
        raise DataError(f"{picture} cannot be verified: {error}") from None
    sheet = _sheet_of(pixels, provenance, model)

    samples = [provenance.sample + i for i in range(provenance.samples)]
    inside = _changed(sheet, samples, provenance, model)
    outside = [
        {"sample": None, "x": int(x), "y": int(y)}
        for y, x in np.argwhere(sheet.foreign)
    ]
    places = inside + outside
    return {
        "verified": not places,
        "model": model.card.name,
        "card_changed": model.card.has_changed_since(provenance.identity),
        "seed": provenance.seed,
        "samples": provenance.samples,
        "name": None if places else provenance.addressed_name,
        "changed_pixels": len(places),
        "changed": places[:_NAMED],
    }


def _content(picture: Path) -> bytes:
    try:
        return picture.read_bytes()
    except OSError as error:
        raise _unreadable(picture, error) from None


def _pixels(picture: Path, file: DrawnPicture, model: Model) -> NDArray[np.uint8]:
    """Return the pixels (H', W', C) of a picture: with a palette, C is 4."""
    channels = 4 if model.card.palette else model.config.channels
    try:
        return np.atleast_3d(np.asarray(file.pixels(channels)))
    except ProvenanceError:
        raise
    except PICTURE_ERRORS as error:
        raise _unreadable(picture, error) from None


def _unreadable(picture: Path, error: Exception) -> DataError:
    return DataError(f"cannot read the image {picture}: {error}")


def _sheet_of(pixels: NDArray[np.uint8], provenance: Provenance, model: Model) -> Sheet:
    """Cut a picture (H', W', C) into its images. Raises DataError if it has another size
    than it was written with."""
    config = model.config
    palette = model.card.palette
    width, height = config.width, config.height
    if provenance.options.size:
        width, height = sides(provenance.options.size)
    between = [LINE_GREY]
    if palette:
        between = picture_colours(palette)[gap_of(palette)].tolist()
        pixels = one_transparent(pixels)
    return cut(pixels, provenance.samples, height, width, between=between)


def _changed(
    sheet: Sheet, samples: list[int], provenance: Provenance, model: Model
) -> list[dict[str, int | None]]:
    """Return the pixels inside of the images that the model does not draw, image by
    image.

    samples: the numbers of the images.
    """
    palette = model.card.palette
    pixels = values_of_pixels(sheet.images, palette) if palette else sheet.images
    labels = [
        model.card.label_number(provenance.label_of(i)) for i in range(len(samples))
    ]
    changed = changed_pixels(
        model,
        pixels,
        samples,
        provenance.seed,
        provenance.temperature,
        labels,
    )
    return [
        {"sample": samples[i], "x": int(x), "y": int(y)}
        for i, y, x in np.argwhere(changed | sheet.broken)
    ]
