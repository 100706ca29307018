"""The likelihood of a picture: the bits that a perfect coder built on the model would spend, and where."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field

from worker.contract.colours import ColourOptions
from worker.contract.kind import (
    FOUND,
    Able,
    Asked,
    BadOptionError,
    Input,
    Kind,
    Pixel,
    Shows,
    Since,
    Summary,
)
from worker.contract.labels import LabelOptions, Shown, components
from worker.contract.record import Described, Record
from worker.contract.several import SeveralOptions
from worker.contract.size import FieldOptions, FoundSize

_NUMBERS = 24 * 1024
"""Bytes of a summary, but for an influence: it may say what is expected of one pixel, for each of its values."""
_MAPS = 8
"""Bytes of each variable, in both maps."""
_INFLUENCE = 28
"""Bytes of each pixel, in the influence on one: a number as text, twice."""


class ScoreOptions(SeveralOptions, ColourOptions, LabelOptions, FieldOptions):
    """How likely is this picture?"""

    x: int | None = Field(
        default=None,
        ge=0,
        description="Column of a pixel, counted from 0 at the left; it goes with `y`. `result.pixel` lists what was "
        "expected there.",
    )
    y: int | None = Field(
        default=None,
        ge=0,
        description="Row of the pixel, counted from 0 at the top; it goes with `x`.",
    )
    influence: bool = Field(
        default=False,
        description="Ask, beside `x` and `y`, how much each earlier pixel mattered there: `result.pixel.influence`.",
    )

    against: Annotated[str | None, Since(8)] = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Name of a second model, of pictures of the same size and values: `result.against` has its nats "
        "and the logarithm of the likelihood ratio, which tells a strange picture from a busy one.",
    )

    further: Annotated[int, FOUND] = Field(default=0, ge=0)
    """How many distributions the model is made of, beside the first, and of a field windows: each takes a pass."""
    size: FoundSize = None
    """Size of a picture that is taken as a field."""

    @property
    def pixel(self) -> Pixel | None:
        """The pixel that is asked about, if any."""
        return None if self.x is None or self.y is None else Pixel(x=self.x, y=self.y)

    @property
    def second_model(self) -> str:
        return self.against or ""

    def settled(self, model: Able, n: int) -> Self:
        found = super().settled(model, n)
        passes = components(model, is_given=self.label is not None) * found.windows(
            model
        )
        found = found.model_copy(update={"further": passes - 1})
        if found.size and (self.x is not None or self.y is not None):
            raise BadOptionError(
                "x: no pixel of a larger picture than the model's can be asked about",
                "x",
            )
        if found.size and self.against:
            raise BadOptionError(
                "against: expected a picture of the models' size", "against"
            )
        if self.x is None and self.y is None:
            if self.influence:
                raise BadOptionError(
                    "influence: expected x and y with it, the pixel that it is on",
                    "influence",
                )
            return found
        for name, place, size in (
            ("x", self.x, model.width),
            ("y", self.y, model.height),
        ):
            if place is None or place >= size:
                detail = f"{name}: expected 0 to {size - 1}, together with the other coordinate"
                raise BadOptionError(detail, name)
        return found

    def work(self, job: Asked) -> int:
        """One pass over a picture counts as one row, and each distribution takes one; what is expected at a pixel takes
        another, and what mattered for it about ten: there and back again by the plain pass."""
        passes = (
            1
            + self.further
            + (self.against is not None)
            + (self.pixel is not None)
            + 10 * self.influence
        )
        return job.n * passes * job.width * job.channels

    def room(self, job: Asked) -> int:
        pixels = job.height * job.width
        return job.n * (
            _NUMBERS
            + _MAPS * pixels * job.channels
            + _INFLUENCE * pixels * self.influence
            + 40
        )

    @property
    def keeps(self) -> Sequence[str]:
        return "bits", "heat"

    @property
    def pace(self) -> str:
        return (
            "influence" if self.influence else f"field {self.size}" if self.size else ""
        )

    @property
    def is_long(self) -> bool:
        return self.is_field


class ColourBelief(Record):
    """Expectation of one colour of a pixel by a model that knows everything before it: pixels above and to the left,
    and the colours before this one."""

    probabilities: tuple[float, ...] = Field(
        description="Probability of each value that a colour can take, from dark to bright."
    )
    value: int = Field(
        ge=0, description="The one that the picture has: an index into `probabilities`."
    )
    bits: float = Field(allow_inf_nan=False, description="Bits that this value costs.")
    entropy_bits: float = Field(
        allow_inf_nan=False,
        description="Bits that the colour costs on average if the model is right.",
    )


class PixelBelief(Record):
    """Expectation of the model at one pixel."""

    x: int = Field(ge=0, description="Column, from the left.")
    y: int = Field(ge=0, description="Row, from the top.")
    colours: tuple[ColourBelief, ...] = Field(
        description="Red, green and blue, or the one there is."
    )
    influence: tuple[tuple[float, ...], ...] | None = Field(
        default=None,
        description="H rows of W numbers, if they were asked for: how fast the brightness that was expected here, from "
        "0, black, to 1, white, grows with that of each earlier pixel. With two values it is the slope of p(white); "
        "with a palette, how fast the chance of the colour here grows as that pixel goes on from all colours evenly to "
        "its own. Exactly 0 where the network sees nothing: outside of its receptive field, here, and where it draws "
        "later.",
    )


class SecondScore(Record):
    """The picture by a second model."""

    model: str = Field(description="The model's name.")
    sha256: str = Field(description="Its weights.")
    nats: float = Field(allow_inf_nan=False, description="-ln p(image) by it.")
    log_ratio: float = Field(
        allow_inf_nan=False,
        description="ln of p(image) by the first model over that by this one: its nats minus the first's. Low where "
        "the picture is likelier by this one.",
    )


class ScoreSummary(Summary):
    """The numbers of a finished score. The bits of every variable are kept beside it: `keys.image`, field `bits`."""

    nats: float = Field(
        allow_inf_nan=False,
        description="-ln p(image), summed over all colour variables.",
    )
    bits_per_dim: float = Field(
        allow_inf_nan=False, description="nats / (ln 2 * height * width * channels)."
    )
    per_colour_bits: tuple[float, ...] = Field(
        description="Mean bits of each colour; their mean is bits_per_dim."
    )
    height: int = Field(ge=1, description="Height of the picture.")
    width: int = Field(ge=1, description="Width of the picture.")
    quantised_pixels: int = Field(
        ge=0,
        description="How many pixels were moved to the nearest of the values that the model knows.",
    )
    uniform_bits: float = Field(
        gt=0,
        description="Bits of a pixel under a uniform guess: the heat map is white there and above, black at 0.",
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
    pixel: PixelBelief | None = Field(
        default=None, description="The expectation at the pixel that was asked about."
    )
    member: str | None = Field(
        default=None,
        description="The orientation, in a mixture, of the network whose bits the map shows, the one that finds the "
        "picture likeliest; `nats` and `bits_per_dim` are the mixture's. Null for a model of one network.",
    )
    label: str | None = Field(
        default=None,
        description="Name of the label, of a model that has any, whose bits the map shows: the one that was asked for, "
        "else the one that finds the picture likeliest, by which `member_nats` are. Null for other models.",
    )
    member_nats: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="-ln p(image) of that network of a mixture, given `label` if there is one: the map's sum.",
    )

    against: SecondScore | None = Field(
        default=None, description="The second model's, where one was asked for."
    )

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        return {**self.model_dump(), "map": f"{address}/score-map{query}"}


class Answer(Described):
    """The likelihood of the picture, and where to see it."""

    map: str
    """The bits of every variable."""


KIND = Kind(
    "score",
    "score",
    """How likely the model finds a picture: nats, bits/dim, and the bits of every pixel as numbers and as a heat map.

    Of a model with fewer than 256 values each colour is moved to the nearest; `quantised_pixels` says how many were.
    With `x` and `y` the result also lists, for each colour of that pixel, the probability of every value given all that
    comes before it, and with `influence` how much each earlier pixel mattered for that.
    """,
    Input.PICTURE,
    ScoreOptions,
    order="worker.orders.kinds.score:build",
    carried_out="worker.engine.kinds.score:scored",
    shows=Shows.HEAT,
    summary=ScoreSummary,
    answer=Answer,
    shown=Shown,
)
