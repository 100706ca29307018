"""Fields: pictures larger than the model's, which are drawn and scored in overlapping
windows."""

import re
from typing import Annotated, Any, Self

from pydantic import Field

from worker.contract.options import FOUND, BadOptionError, Options, Since
from worker.contract.pixel_options import PIXELS
from worker.contract.traits import ModelTraits

SINCE = Since(8)
MAX_SIDE = 4096
"""Longest side of a field, in pixels."""
PUT_OFF = 0.0001
"""Progress that is reported for a job whose pictures wait until the model has drawn
those of other widths."""
_SIZE = re.compile(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})", re.ASCII)
PATTERN = f"^{_SIZE.pattern}$"
SIZE_TEXT = (
    "WIDTHxHEIGHT of pictures larger than the model's, such as 160x96: "
    "at most 4096 in each direction, and `limits.field_pixels` of `GET /info` pixels "
    "in all images of the job. They are drawn in windows of the model's height. "
    "Models with `field` draw good ones."
)


def sides(size: str) -> tuple[int, int]:
    """Return (width, height). Raises ValueError if `size` is not WIDTHxHEIGHT with
    positive numbers of at most four digits."""
    if (found := _SIZE.fullmatch(size)) is None:
        raise ValueError(f"expected WIDTHxHEIGHT, such as 160x96, not {size[:32]!r}")
    return int(found[1]), int(found[2])


FoundSize = Annotated[str | None, FOUND, SINCE, Field(pattern=PATTERN)]
"""A size that the API determines from the picture, so that no client sends it."""


class FieldOptions(Options):
    """Options of kinds whose pictures may be fields. `size` is the size of a field, or
    None for pictures of the model's size."""

    size: Annotated[str | None, PIXELS, SINCE] = Field(
        default=None, pattern=PATTERN, examples=["160x96"], description=SIZE_TEXT
    )

    def for_model(self, model: ModelTraits, n: int) -> Self:
        """Return a copy in which `size` is None if it is the model's own. A larger one,
        up to MAX_SIDE, needs a model of one scale with an upright network."""
        return self.model_copy(update=self.size_for(model))

    def size_for(self, model: ModelTraits) -> dict[str, Any]:
        """Return what `for_model` changes: option -> value."""
        if self.size is None or sides(self.size) == (model.width, model.height):
            return {"size": None}
        if model.small_height or "none" not in model.members:
            why = "two scales" if model.small_height else "no upright network"
            raise BadOptionError(
                f"size: a model with {why} has pictures of one size", "size"
            )
        width, height = sides(self.size)
        if not (
            model.width <= width <= MAX_SIDE and model.height <= height <= MAX_SIDE
        ):
            least = f"{model.width}x{model.height}, the model's own,"
            raise BadOptionError(
                f"size: expected {least} to {MAX_SIDE}x{MAX_SIDE}, not {self.size}",
                "size",
            )
        return {}

    def fits(self, model: ModelTraits) -> bool:
        """Return True unless a field is wanted and the model draws none."""
        return self.size is None or model.field_step > 0

    def shape(self, model: ModelTraits) -> tuple[int, int]:
        """Return (height, width) of the field, or of the model's pictures."""
        width, height = sides(self.size) if self.size else (model.width, model.height)
        return height, width

    @property
    def is_field(self) -> bool:
        """True if the pictures are fields."""
        return self.size is not None

    def windows(self, model: ModelTraits) -> int:
        """Return the number of windows in which a picture is drawn; 1 for the model's
        size."""
        height, _ = self.shape(model)
        step = max(1, model.field_step)
        further = -(-(height - model.height) // step)  # rounded up
        return 1 + further
