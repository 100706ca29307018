"""How likely a model finds a picture: the bits that a perfect coder built on the model would spend, and where."""

import struct
from collections.abc import Sequence

from pydantic import Field

from worker.contract.record import Record


class ColourBelief(Record):
    """What the model expected of one colour of a pixel, knowing everything before it: pixels above and to the left, and
    the colours before this one."""

    probabilities: tuple[float, ...] = Field(description="Of each value that a colour can take, from dark to bright.")
    value: int = Field(ge=0, description="The one that the picture has: an index into `probabilities`.")
    bits: float = Field(allow_inf_nan=False, description="What that value costs.")
    entropy_bits: float = Field(
        allow_inf_nan=False, description="What the colour costs on average, the model being right."
    )


class PixelBelief(Record):
    """What the model expected at one pixel."""

    x: int = Field(ge=0, description="Column, from the left.")
    y: int = Field(ge=0, description="Row, from the top.")
    colours: tuple[ColourBelief, ...] = Field(description="Red, green and blue, or the one there is.")


class ScoreSummary(Record):
    """The numbers of a finished score. The bits of every variable are kept beside it: `keys.image`, field `bits`."""

    nats: float = Field(allow_inf_nan=False, description="-ln p(image), summed over all colour variables.")
    bits_per_dim: float = Field(allow_inf_nan=False, description="nats / (ln 2 * height * width * channels).")
    per_colour_bits: tuple[float, ...] = Field(description="Mean bits of each colour; their mean is bits_per_dim.")
    height: int = Field(ge=1, description="Of the picture.")
    width: int = Field(ge=1, description="Of the picture.")
    quantised_pixels: int = Field(
        ge=0, description="How many pixels were moved to the nearest of the values that the model knows."
    )
    uniform_bits: float = Field(
        gt=0, description="What a uniform guess costs for a pixel: the heat map is white there and above, black at 0."
    )
    pixel: PixelBelief | None = Field(default=None, description="What was expected at the pixel that was asked about.")


class RankSummary(Record):
    """How likely the model finds each sample of a completion, as a whole image. The given pixels are the same in all,
    so the order is that of the drawn parts given them, those below the hole included."""

    sample_nats: tuple[float, ...] = Field(description="-ln p(image) of each sample, in the order of the samples.")


def unpack_bits(raw: bytes, height: int, width: int, channels: int) -> Sequence[Sequence[Sequence[float]]]:
    """The bytes of the field `bits` as H rows of W pixels of C numbers. Raises struct.error for another length."""
    flat = struct.unpack(f"<{height * width * channels}f", raw)
    pixels = [flat[i : i + channels] for i in range(0, len(flat), channels)]
    return [pixels[y * width : (y + 1) * width] for y in range(height)]
