"""How a picture's score stands among those of images that the model was made for.

A likelihood by itself is a poor alarm: a plain picture of something else is often likelier than what the model was
trained on (Nalisnick et al. 2019). Three numbers say more, each in its own way; docs/scores.md measures which helps
when.
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
LEAST = 20


@dataclass(frozen=True)
class Standing:
    """p_value and typicality are None for a model whose card has no validation scores (`pixelrnn calibrate`)."""

    bits_over_png: float
    """-log2 p minus the bits of the picture as a PNG file: the input-complexity score of Serrà et al. (2020). High: the
    model finds it harder than a codec that knows nothing of the model's images."""
    p_value: float | None
    """The share of validation images that are at least as improbable. Small: strange."""
    typicality: float | None
    """The share that is at least as far out, to either side. Small: strange, or strangely plain (Nalisnick et al.)."""

    @classmethod
    def of(
        cls,
        values: NDArray[np.integer],
        nats: float,
        levels: int,
        validation: Validation | None,
        palette: Palette = (),
    ) -> Self:
        """The standing of a picture's values (C, H, W) in 0..levels-1, whose -ln p is `nats`.

        palette: the colours of the values, of a model of categories.
        """
        over = nats / math.log(2) - png_bits(values, levels, palette)
        if validation is None:
            return cls(over, None, None)
        above = p_value(nats, validation)
        return cls(
            over, above, min(1.0, 2 * min(above, 1 - above + 1 / validation.images))
        )


def p_value(nats: float, validation: Validation) -> float:
    """The p-value, interpolated between the quantiles; at least 1 / images, as little can be known."""
    quantiles = validation.nats_quantiles
    below = float(
        np.interp(nats, quantiles, np.linspace(0, 1, len(quantiles)), left=0, right=1)
    )
    return max(1 - below, 1 / validation.images)


def validation_scores(log_p: NDArray[np.float64]) -> Validation:
    """A card's record of validation images' ln p (N,). Raises DataError when they are too few to say anything."""
    if len(log_p) < LEAST:
        raise DataError(
            f"a p-value needs at least {LEAST} validation images, and there are {len(log_p)}"
        )
    quantiles = np.quantile(-log_p, np.linspace(0, 1, STEPS + 1))
    return Validation(len(log_p), tuple(round(float(nats), 3) for nats in quantiles))


def png_bits(values: NDArray[np.integer], levels: int, palette: Palette = ()) -> int:
    """Return the bits of a picture (C, H, W) as a PNG file.

    A grey picture of two values has one bit a pixel. With a palette the file is indexed,
    and its colours are numbered by first appearance, row by row: how a model numbers its
    values is arbitrary and must not count.
    """
    if palette:
        return _indexed_png_bits(values[0], palette)
    pixels = (
        values_to_pixels(values.astype(np.uint8), levels)
        .transpose(1, 2, 0)
        .squeeze(2 if len(values) == 1 else ())
    )
    picture, out = Image.fromarray(pixels), io.BytesIO()
    (picture.convert("1") if levels == 2 and len(values) == 1 else picture).save(
        out, "PNG", optimize=True
    )
    return 8 * len(out.getvalue())


def _indexed_png_bits(values: NDArray[np.integer], palette: Palette) -> int:
    """The bits of values (H, W) as an indexed PNG with the colours that occur."""
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
