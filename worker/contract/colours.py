"""The option `colours` of a kind that takes pictures: what becomes of colours that a model's palette does not have."""

from collections.abc import Sequence
from typing import Annotated, Any, Literal, Self

from pydantic import Field

from worker.contract.kind import FOUND, Able, BadOptionError, Options, Since
from worker.contract.pixel_options import PIXELS
from worker.contract.record import Described

SINCE = Since(8)
LEVELS = 256
"""Numbers that a byte tells apart."""


def levels(values: int, palette: Sequence[str]) -> int:
    """Numbers that a byte of a row or a picture tells apart: with a palette a byte is a value as it is."""
    return LEVELS if palette else values


class ColourOptions(Options):
    """Options of a kind that takes pictures of a model's colours."""

    colours: Annotated[Literal["exact", "nearest"] | None, PIXELS, SINCE] = Field(
        default=None,
        description="For a model with a `palette`. `exact`, the usual way: a picture with another colour is refused. "
        "`nearest`: it takes the nearest; `moved_pixels` of the job says how many did, `moved_distance` how far.",
    )
    moved_pixels: Annotated[int, FOUND, SINCE] = Field(default=0, ge=0)
    """How many pixels took another colour; of several pictures the most."""
    moved_distance: Annotated[float, FOUND, SINCE] = Field(default=0.0, ge=0)
    """How far the farthest of them moved."""

    def settled(self, model: Able, n: int) -> Self:
        settled = super().settled(model, n)
        if self.colours == "nearest" and not model.palette:
            raise BadOptionError(
                "colours: this model has no palette; `GET /models` says which models have",
                "colours",
            )
        return (
            settled
            if self.colours == "nearest"
            else settled.model_copy(update={"colours": None})
        )

    def job_fields(self) -> dict[str, Any]:
        moved = (
            (self.moved_pixels, self.moved_distance)
            if self.colours or self.places
            else (None, None)
        )
        return {
            **super().job_fields(),
            **dict(zip(("moved_pixels", "moved_distance"), moved, strict=True)),
        }


class Shown(Described):
    """The fields of a Job that say what became of other colours."""

    moved_pixels: int | None
    """How many pixels took the nearest colour, where that was asked for; of several pictures the most. With `fit=crop`
    it is always there, for all cut-outs together: above 0 the model lacks colours of the picture, and its holes have
    the model's. Else null."""
    moved_distance: float | None
    """How far the farthest of them moved: the distance of red, green, blue and opacity, at most 510."""
