"""The option `colours`: how a picture is treated whose colours are missing from the
model's palette."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from worker.contract.options import FOUND, BadOptionError, Options, Since
from worker.contract.pixel_options import PIXELS
from worker.contract.record import Described
from worker.contract.traits import ModelTraits

SINCE = Since(8)
LEVELS = 256
"""Number of different values of a byte."""


def levels(values: int, palette: Sequence[str]) -> int:
    """Return how many different values a byte of a row or picture may have.

    256 for a model with a palette, whose bytes are indices of categories; else
    `values`, because the bytes are then the model's values spread over 0..255.
    """
    return LEVELS if palette else values


class ColourOptions(Options):
    """Options of kinds that take pictures in the model's colours.

    `colours` is the client's. The API finds the other two when it matches the picture
    with the palette.
    """

    colours: Annotated[Literal["exact", "nearest"] | None, PIXELS, SINCE] = Field(
        default=None,
        description="For a model with a `palette`. `exact`, the default: a picture "
        "with another colour is refused. `nearest`: each pixel takes the nearest "
        "colour; `moved_pixels` of the job counts the changed pixels, and "
        "`moved_distance` is the largest change.",
    )
    moved_pixels: Annotated[int, FOUND, SINCE] = Field(default=0, ge=0)
    """How many pixels took another colour; of several pictures, the largest count."""
    moved_distance: Annotated[float, FOUND, SINCE] = Field(default=0.0, ge=0)
    """The largest distance between a pixel's colour and the one that it took."""

    def for_model(self, model: ModelTraits, n: int) -> Self:
        """Return a copy in which `colours` is None unless it is `nearest`, which only
        models with a palette allow."""
        return self.model_copy(update=self.colours_for(model))

    def colours_for(self, model: ModelTraits) -> dict[str, Any]:
        """Return what `for_model` changes: option -> value."""
        if self.colours == "nearest":
            if not model.palette:
                raise BadOptionError(
                    "colours: this model has no palette; `GET /models` "
                    "says which models have",
                    "colours",
                )
            return {}
        # `exact` is the default: without the field, workers of earlier versions take
        # the job as well.
        return {"colours": None}

    def job_fields(self) -> dict[str, Any]:
        """Return `moved_pixels` and `moved_distance`: None unless `colours` was asked
        for or the job fills cut-outs."""
        # Holes of larger pictures always take the nearest colours.
        is_reported = bool(self.colours or self.places)
        return {
            "moved_pixels": self.moved_pixels if is_reported else None,
            "moved_distance": self.moved_distance if is_reported else None,
        }


class MovedColourFields(Described):
    """The fields of a Job that report colours which were replaced."""

    moved_pixels: int | None
    """How many pixels took the nearest colour, if `nearest` was asked for; of several
    pictures, the largest count. With `fit=crop` it is always present and counts all
    cut-outs together: above 0, the palette lacks colours of the picture, and the filled
    holes have the palette's colours. Else null."""
    moved_distance: float | None
    """The largest of these changes: the distance of red, green, blue and opacity, at
    most 510. Else null."""
