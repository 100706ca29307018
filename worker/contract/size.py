"""The size of a picture that is larger than the model's: a field, which is drawn and scored in windows."""

import re
from typing import Annotated, Self

from pydantic import Field

from worker.contract.kind import FOUND, Able, BadOptionError, Options, Since
from worker.contract.pixel_options import PIXELS

SINCE = Since(8)
MAX_SIDE = 4096
PUT_OFF = 0.0001
"""The progress that is reported of a job whose pictures wait until other widths of the model are drawn."""
_SIZE = re.compile(r"([1-9][0-9]{0,3})x([1-9][0-9]{0,3})", re.ASCII)
PATTERN = f"^{_SIZE.pattern}$"
TOLD = (
    "WIDTHxHEIGHT of larger pictures than the model's, such as 160x96, up to 4096 each way and so many pixels as "
    "`limits.field_pixels` of `GET /info` says, all images together. They are drawn in windows of the model's height; "
    "good ones by models that say `field`."
)


def sides(size: str) -> tuple[int, int]:
    """Width and height. ValueError for what is no size."""
    if (found := _SIZE.fullmatch(size)) is None:
        raise ValueError(f"expected WIDTHxHEIGHT, such as 160x96, not {size[:32]!r}")
    return int(found[1]), int(found[2])


FoundSize = Annotated[str | None, FOUND, SINCE, Field(pattern=PATTERN)]
"""A size that no client says: a picture says it."""


class FieldOptions(Options):
    """Options of a kind whose pictures may be fields. `size` is that of a field, and none where it is the model's."""

    size: Annotated[str | None, PIXELS, SINCE] = Field(
        default=None, pattern=PATTERN, examples=["160x96"], description=TOLD
    )

    def settled(self, model: Able, n: int) -> Self:
        settled = super().settled(model, n)
        if self.size is None or sides(self.size) == (model.width, model.height):
            return settled.model_copy(update={"size": None})
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
        return settled

    def fits(self, model: Able) -> bool:
        return super().fits(model) and (self.size is None or model.field_step > 0)

    def shape(self, model: Able) -> tuple[int, int]:
        width, height = sides(self.size) if self.size else (model.width, model.height)
        return height, width

    @property
    def is_field(self) -> bool:
        return self.size is not None

    def windows(self, model: Able) -> int:
        """How many windows there are; 1 of a picture of the model's size."""
        height, _ = self.shape(model)
        return 1 + -(-(height - model.height) // max(1, model.field_step))
