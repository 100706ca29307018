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
    influence: tuple[tuple[float, ...], ...] | None = Field(
        default=None,
        description="Where it was asked for, H rows of W numbers: how fast the brightness that was expected here, from "
        "0, black, to 1, white, grows with that of each earlier pixel. With two values it is the slope of p(white). "
        "Exactly 0 where the network sees nothing: outside of its receptive field, here, and where it draws later.",
    )


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
    bits_over_png: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="-log2 p minus the bits of the picture as a PNG file, the input-complexity score of Serrà et al. "
        "(2020): high where the model finds a picture harder than a codec that knows nothing of the model's images.",
    )
    p_value: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="The share of the model's validation images that are at least as improbable: small for a strange "
        "picture. Null where the model's card has no validation scores.",
    )
    typicality: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="The share of them that is at least as far out, to either side: small for a strange picture, and "
        "for a strangely plain one. Null where `p_value` is.",
    )
    pixel: PixelBelief | None = Field(default=None, description="What was expected at the pixel that was asked about.")
    member: str | None = Field(
        default=None,
        description="Of a mixture: the orientation of the network whose bits the map shows, the one that finds the "
        "picture likeliest; `nats` and `bits_per_dim` are the mixture's. Null for a model of one network.",
    )
    member_nats: float | None = Field(
        default=None, allow_inf_nan=False, description="Of a mixture: -ln p(image) of that network, the map's sum."
    )


class Pixel(Record):
    """A place in the image."""

    x: int = Field(ge=0, description="Column, from the left.")
    y: int = Field(ge=0, description="Row, from the top.")


class VerifySummary(Record):
    """Whether the model draws a picture again, byte by byte, from the seed that the picture names."""

    verified: bool = Field(description="Every pixel is the one that the model draws with this seed.")
    sample: int = Field(ge=0, description="The number of the sample that was drawn again.")
    changed_pixels: int = Field(
        ge=0,
        description="How many pixels are others. Few: the picture was changed there. Many: it was drawn otherwise, "
        "with another seed or temperature.",
    )
    changed: tuple[Pixel, ...] = Field(default=(), description="Where, row by row; of many the first 16.")


class EncodeSummary(Record):
    """What a file of coded images is. Its bytes are kept beside it: `keys.image`, field `blob`."""

    pictures: int = Field(ge=1, description="How many pictures the file holds.")
    bytes: int = Field(ge=1, description="How long it is.")
    bits_per_dim: float = Field(
        gt=0, allow_inf_nan=False, description="Its bits for each variable: 8 * bytes / (pictures * H * W * C)."
    )
    member: str = Field(
        description="The orientation of the network that coded it, `none` being that of the image: of a mixture the "
        "one that makes it shortest."
    )
    digest: str = Field(description="sha256 of the model's weights, which the file names too.")


class Receipt(Record):
    """How good the draws of a completion by `posterior` are."""

    exact: bool = Field(
        description="Each image is a draw from the model's own distribution given everything that is given. False "
        "where particles came close to it, and where one network of a mixture drew: its distribution is another."
    )
    member: str = Field(
        description="The orientation of the network that drew, `none` being that of the image; a mixture has several."
    )
    particles: int = Field(ge=0, description="Of each image; 0 when none were needed.")
    ess: float | None = Field(
        default=None,
        description="Effective sample size: how many equally weighted particles were worth as much, at the worst "
        "moment of any image. Near 1, one particle decided. Null without particles.",
    )
    distinct: int | None = Field(
        default=None,
        description="From how many of its first particles an image's last ones descend: the smallest. Null without "
        "particles.",
    )
    evidence_nats: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="-ln of an estimate of p(given): how likely that network finds what is given. Never more than the "
        "nats of a completion, which what is given cannot exceed.",
    )
    evidence_sd: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="How far the images' own estimates lie apart, as a standard deviation in nats. Null for one image, "
        "and without particles.",
    )


class CompletionSummary(Record):
    """What is known of a finished completion beside its rows. Of one by `posterior` the bytes of two maps are kept too:
    `keys.image`, fields `mean` and `entropy`."""

    sample_nats: tuple[float, ...] | None = None
    """-ln p(image) of each sample as a whole image, where the job ranks them. The given pixels are the same in all, so
    the order is that of the drawn parts given them, those below the hole included."""
    posterior: Receipt | None = None
    values: int | None = Field(default=None, ge=2)
    """How many values a colour takes, where there are maps: their scale."""


def unpack_map(raw: bytes, height: int, width: int, channels: int) -> Sequence[Sequence[Sequence[float]]]:
    """The bytes of a map, such as the field `bits`, as H rows of W pixels of C numbers.

    Raises struct.error for another length.
    """
    flat = struct.unpack(f"<{height * width * channels}f", raw)
    pixels = [flat[i : i + channels] for i in range(0, len(flat), channels)]
    return [pixels[y * width : (y + 1) * width] for y in range(height)]
