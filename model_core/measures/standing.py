"""How the score of a picture compares with the scores of images that the model was made
for.

A likelihood alone is a poor alarm: a plain picture of something else is often likelier
than the images that the model was trained on (Nalisnick et al. 2019). Three other
numbers help in different ways; docs/scores.md measures when.
"""

import io
import math
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from model_core.card import Validation
from model_core.data.palette import Palette, colours_of
from model_core.data.pixels import values_to_pixels
from model_core.errors import DataError

STEPS = 200
"""Steps between the quantiles that a card stores: it has one more quantile than
this."""
LEAST = 20
"""Minimum number of validation images for a p-value."""
_DIGITS = 3
"""Decimal places of the quantiles, in nats."""


@dataclass(frozen=True)
class Standing:
    """How the score of a picture compares with others; `Standing.of` makes it. p_value
    and typicality are None if the model's card has no validation scores (`pixelrnn
    calibrate` adds them)."""

    bits_over_png: float
    """-log2 p minus the bits of the picture as a PNG file: the input-complexity score
    of Serrà et al. (2020). If it is high, the model finds the picture harder than a
    codec that knows nothing of the model's images."""
    p_value: float | None
    """Share of the validation images that are at least as improbable as the picture, 0
    to 1. Small: the picture is unusual."""
    typicality: float | None
    """Share of the validation images whose -ln p is at least as far from their median,
    to either side, 0 to 1. Small: the picture is unusual, or unusually plain (Nalisnick et
    al.)."""

    @classmethod
    def of(
        cls,
        values: NDArray[np.integer],
        nats: float,
        levels: int,
        validation: Validation | None,
        palette: Palette = (),
    ) -> Self:
        """Return the standing of a picture.

        values: (C, H, W), integers 0..levels-1.
        nats: -ln p of it under the model.
        levels: V.
        validation: the validation scores in the model's card, or None.
        palette: the colours of the values, if they are categories.
        """
        over = nats / math.log(2) - png_bits(values, levels, palette)
        if validation is None:
            return cls(over, None, None)
        above = p_value(nats, validation)
        below = 1 - above + 1 / validation.images + _shares(nats, validation)[1]
        return cls(over, above, min(1.0, 2 * min(above, below)))


def p_value(nats: float, validation: Validation) -> float:
    """Return the share of validation images that are at least as improbable as an image
    with -ln p of `nats`, interpolated between the quantiles. It is at least 1 / images,
    the smallest share that this many images can show."""
    more_probable, _ = _shares(nats, validation)
    return max(1 - more_probable, 1 / validation.images)


def _shares(nats: float, validation: Validation) -> tuple[float, float]:
    """Return the share of validation images that are more probable than an image with
    -ln p of `nats`, and the share of those that are as probable: 0 unless several
    quantiles are equal to `nats` within their rounding."""
    quantiles = np.array(validation.nats_quantiles)
    steps = len(quantiles) - 1
    (equal,) = np.nonzero(np.abs(quantiles - nats) <= 10.0**-_DIGITS)
    if len(equal) > 1:
        # Copies of one image, such as an empty tile. Interpolation would take only
        # those for as improbable that rounding puts above.
        return float(equal[0]) / steps, float(equal[-1] - equal[0]) / steps
    shares = np.linspace(0, 1, len(quantiles))
    return float(np.interp(nats, quantiles, shares, left=0, right=1)), 0.0


def validation_scores(log_p: NDArray[np.float64]) -> Validation:
    """Return what a card records of the validation images: their number, and STEPS + 1
    (201) evenly spaced quantiles of their -ln p, rounded to 0.001.

    log_p: ln p of each image, (N,).

    Raises DataError for fewer than LEAST (20) images.
    """
    if len(log_p) < LEAST:
        raise DataError(
            f"a p-value needs at least {LEAST} validation images, and there are "
            f"{len(log_p)}"
        )
    quantiles = np.quantile(-log_p, np.linspace(0, 1, STEPS + 1))
    return Validation(
        len(log_p), tuple(round(float(nats), _DIGITS) for nats in quantiles)
    )


def png_bits(values: NDArray[np.integer], levels: int, palette: Palette = ()) -> int:
    """Return the size in bits of a picture as a PNG file.

    values: (C, H, W), integers 0..levels-1, with C = 1 or 3.
    levels: V.
    palette: the colours of the values, if they are categories. The file is then
        indexed, and its colours are numbered by their first appearance, row by row,
        because how a model numbers its values is arbitrary and must not matter.

    A grey picture of two values has one bit per pixel.
    """
    if palette:
        return _indexed_png_bits(values[0], palette)
    is_grey = len(values) == 1
    pixels = values_to_pixels(values.astype(np.uint8), levels).transpose(1, 2, 0)
    picture = Image.fromarray(pixels.squeeze(2) if is_grey else pixels)
    if is_grey and levels == 2:
        picture = picture.convert("1")
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return 8 * len(out.getvalue())


def _indexed_png_bits(values: NDArray[np.integer], palette: Palette) -> int:
    """Return the bits of values (H, W) as an indexed PNG of those colours that
    occur."""
    found, first, inverse = np.unique(values, return_index=True, return_inverse=True)
    by_appearance = np.argsort(first)
    renumbered = np.argsort(by_appearance)[inverse].reshape(values.shape)
    colours = colours_of(palette)[found[by_appearance]]  # (those that occur, 4)

    picture = Image.fromarray(renumbered.astype(np.uint8), "L")
    picture.putpalette(colours[:, :3].tobytes())
    if (colours[:, 3] < 255).any():
        picture.info["transparency"] = colours[:, 3].tobytes()
    out = io.BytesIO()
    picture.save(out, "PNG", optimize=True)
    return 8 * len(out.getvalue())
