"""Scoring: the likelihood of a picture, as the bits that a perfect coder with this
model would need, and where they are."""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field

from worker.contract.colours import ColourOptions
from worker.contract.kind import Input, Kind, Pixel, Shows, Summary
from worker.contract.labels import LabelField, LabelOptions, components
from worker.contract.options import FOUND, BadOptionError, Since
from worker.contract.record import Described, Record
from worker.contract.several import SeveralOptions
from worker.contract.size import FieldOptions, FoundSize
from worker.contract.traits import JobSize, ModelTraits

_NUMBERS = 24 * 1024
"""Bytes of a summary without an influence map, with the probabilities of all values of
one pixel."""
_MAPS = 8
"""Bytes of each variable in both maps."""
_INFLUENCE = 28
"""Bytes of each pixel in an influence map: a number as text, stored twice."""


class ScoreOptions(SeveralOptions, ColourOptions, LabelOptions, FieldOptions):
    """How likely is this picture?"""

    x: int | None = Field(
        default=None,
        ge=0,
        description="Column of a pixel, counted from 0 at the left; requires `y`. "
        "`result.pixel` lists the probabilities of the values there.",
    )
    y: int | None = Field(
        default=None,
        ge=0,
        description="Row of the pixel, counted from 0 at the top; requires `x`.",
    )
    influence: bool = Field(
        default=False,
        description="With `x` and `y`: also compute how much each earlier pixel "
        "influences the prediction there, `result.pixel.influence`.",
    )

    against: Annotated[str | None, Since(8)] = Field(
        default=None,
        min_length=1,
        max_length=64,
        description="Name of a second model, for pictures of the same size and values: "
        "`result.against` has its nats and the log-likelihood ratio, which "
        "distinguishes an unusual picture from a complex one.",
    )
    against_identity: Annotated[str, FOUND, Since(10)] = ""
    """Identity of the model `against` when the request came, or the SHA-256 of its
    weights if a worker of an earlier version announced it without one. The score fails
    if the model has changed; empty without an `against`."""

    further: Annotated[int, FOUND] = Field(default=0, ge=0)
    """Number of passes over the picture after the first: one for each distribution of
    the model and each window of a field."""
    size: FoundSize = None
    """Size of a picture that is treated as a field; None if it has the model's size."""

    @property
    def pixel(self) -> Pixel | None:
        """The requested pixel; None if none was requested."""
        return None if self.x is None or self.y is None else Pixel(x=self.x, y=self.y)

    @property
    def second_model(self) -> str:
        """Name of the second model; empty if none was requested."""
        return self.against or ""

    @property
    def second_identity(self) -> str:
        """The option `against_identity`."""
        return self.against_identity

    def for_model(self, model: ModelTraits, n: int) -> Self:
        """Return a copy with the number of passes for this model. A pixel must lie in
        the picture; a field allows neither a pixel nor a second model."""
        found = self.model_copy(
            update={
                **self.size_for(model),
                **self.label_for(model),
                **self.colours_for(model),
            }
        )
        distributions = components(model, is_given=self.label is not None)
        passes = distributions * found.windows(model)
        found = found.model_copy(update={"further": passes - 1})
        has_pixel = self.x is not None or self.y is not None
        if found.size and has_pixel:
            raise BadOptionError(
                "x: expected a picture of the model's size; "
                "a single pixel of a larger one cannot be examined",
                "x",
            )
        if found.size and self.against:
            raise BadOptionError(
                "against: expected a picture of the models' size", "against"
            )
        if self.influence and not has_pixel:
            raise BadOptionError(
                "influence: expected x and y as well, the pixel to examine",
                "influence",
            )
        if has_pixel:
            _expect_within("x", self.x, model.width)
            _expect_within("y", self.y, model.height)
        return found

    def fits(self, model: ModelTraits) -> bool:
        """Return True if the model has the label, and scores fields if `size` is one."""
        return LabelOptions.fits(self, model) and FieldOptions.fits(self, model)

    def job_fields(self) -> dict[str, Any]:
        """Return the fields of the bases about the label and about moved colours."""
        return {**LabelOptions.job_fields(self), **ColourOptions.job_fields(self)}

    def work(self, job: JobSize) -> int:
        """Return the cost, in which one pass over a picture counts as one row of
        values."""
        # A pixel takes another pass, and an influence map about ten: it runs the
        # plain network forward and backward.
        passes = (
            1
            + self.further
            + (self.against is not None)
            + (self.pixel is not None)
            + 10 * self.influence
        )
        return job.n * passes * job.width * job.channels

    def room(self, job: JobSize) -> int:
        """Return an upper bound for the bytes of the maps and summaries."""
        pixels = job.height * job.width
        maps = _MAPS * pixels * job.channels
        influence = _INFLUENCE * pixels if self.influence else 0
        return job.n * (_NUMBERS + maps + influence + 40)

    @property
    def keeps(self) -> Sequence[str]:
        """The map `bits` and its colours, `heat`."""
        return "bits", "heat"

    @property
    def pace(self) -> str:
        """`influence` or `field SIZE`, which take much longer than other scores; else
        empty."""
        if self.influence:
            return "influence"
        return f"field {self.size}" if self.size else ""

    @property
    def is_long(self) -> bool:
        """True for a field, which is scored in many windows."""
        return self.is_field


def _expect_within(name: str, coordinate: int | None, size: int) -> None:
    if coordinate is None or coordinate >= size:
        raise BadOptionError(
            f"{name}: expected 0 to {size - 1}, together with the other coordinate",
            name,
        )


class ColourBelief(Record):
    """The model's prediction of one colour of a pixel, given all variables before it:
    the pixels above and to the left, and the pixel's earlier colours."""

    probabilities: tuple[float, ...] = Field(
        description="Probability of each value of the colour, from dark to bright."
    )
    value: int = Field(
        ge=0, description="The value in the picture: an index into `probabilities`."
    )
    bits: float = Field(
        allow_inf_nan=False,
        description="Bits that this value costs: -log2 of its probability.",
    )
    entropy_bits: float = Field(
        allow_inf_nan=False,
        description="Expected bits of the colour under the model.",
    )


class PixelBelief(Record):
    """The model's prediction of one pixel."""

    x: int = Field(ge=0, description="Column, counted from 0 at the left.")
    y: int = Field(ge=0, description="Row, counted from 0 at the top.")
    colours: tuple[ColourBelief, ...] = Field(
        description="Predictions of red, green and blue, or of the single colour "
        "of a grey picture."
    )
    influence: tuple[tuple[float, ...], ...] | None = Field(
        default=None,
        description="H rows of W numbers, if requested: the derivative of the "
        "brightness expected at this pixel, from 0 (black) to 1 (white), by the "
        "brightness of each earlier pixel. With two values it is the slope of "
        "p(white). With a palette it is the slope of the probability of this pixel's "
        "colour as the other pixel moves from an even mixture of all colours to its "
        "own. It is exactly 0 outside of the receptive field, at the pixel itself, "
        "and for pixels that are drawn later.",
    )


class SecondScore(Record):
    """The likelihood of the picture under a second model."""

    model: str = Field(description="The model's name.")
    sha256: str = Field(description="SHA-256 of its weights.")
    nats: float = Field(
        allow_inf_nan=False, description="-ln p(image) under this model."
    )
    log_ratio: float = Field(
        allow_inf_nan=False,
        description="ln of p(image) under the first model divided by p(image) "
        "under this one, which is this model's nats minus the first one's. Negative "
        "if the picture is likelier under this model.",
    )


class ScoreSummary(Summary):
    """The result of a score. The bits of every variable are stored beside it:
    `keys.image`, field `bits`."""

    nats: float = Field(
        allow_inf_nan=False,
        description="-ln p(image), summed over all colour variables.",
    )
    bits_per_dim: float = Field(
        allow_inf_nan=False, description="nats / (ln 2 * height * width * channels)."
    )
    per_colour_bits: tuple[float, ...] = Field(
        description="Mean bits of each colour in the map. Their mean is bits_per_dim, "
        "unless that sums over the networks of a mixture or over labels."
    )
    height: int = Field(ge=1, description="Height of the picture.")
    width: int = Field(ge=1, description="Width of the picture.")
    quantised_pixels: int = Field(
        ge=0,
        description="Number of pixels that were moved to the nearest value that "
        "the model knows.",
    )
    uniform_bits: float = Field(
        gt=0,
        description="Bits of a pixel under a uniform distribution: the heat map is "
        "white there and above, and black at 0.",
    )
    bits_over_png: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="-log2 p minus the bits of the picture as a PNG file, the "
        "input-complexity score of Serrà et al. (2020): high if the model finds "
        "the picture harder than a codec that knows nothing about the model's "
        "images.",
    )
    p_value: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of the model's validation images that are at least as "
        "improbable: small for an unusual picture. They are scored whatever their "
        "label, also if the job names one. Null if the model's card has no "
        "validation scores.",
    )
    typicality: float | None = Field(
        default=None,
        ge=0,
        le=1,
        description="Share of the validation images whose likelihood is at least "
        "as far from the usual, in either direction: small for an unusual picture, "
        "and for an unusually plain one. Null if `p_value` is null.",
    )
    pixel: PixelBelief | None = Field(
        default=None, description="The prediction at the requested pixel."
    )
    member: str | None = Field(
        default=None,
        description="For a mixture: orientation of the network under which the "
        "picture is likeliest, whose bits the map shows; `nats` and `bits_per_dim` "
        "are those of the mixture. Null for a model of one network.",
    )
    label: str | None = Field(
        default=None,
        description="For a model with labels: name of the label whose bits the map "
        "shows, the requested one or else the one under which the picture is "
        "likeliest; `member_nats` are given this label. Null for other models.",
    )
    member_nats: float | None = Field(
        default=None,
        allow_inf_nan=False,
        description="For a mixture, and for a model with labels if none was "
        "requested: -ln p(image) under that network, given `label` if there is one; "
        "the sum of the map. Null for other models.",
    )

    against: SecondScore | None = Field(
        default=None, description="The score by the second model, if one was requested."
    )

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        """Return all fields, and `map`, the address of the bits."""
        return {**self.model_dump(), "map": f"{address}/score-map{query}"}


class Answer(Described):
    """The fields of a result that only scores have."""

    map: str
    """Address of the bits of every variable."""


KIND = Kind(
    "score",
    "score",
    """How likely the model finds a picture: nats, bits/dim, and the bits of every pixel
    as numbers and as a heat map.

    If the model has fewer than 256 values, each colour is moved to the nearest one;
    `quantised_pixels` counts the moved pixels. With `x` and `y` the result also lists,
    for each colour of that pixel, the probability of every value given everything
    before it, and with `influence` how much each earlier pixel influences this
    prediction.
    """,
    Input.PICTURE,
    ScoreOptions,
    shows=Shows.HEAT,
    summary=ScoreSummary,
    answer=Answer,
    job_fields=LabelField,
)
