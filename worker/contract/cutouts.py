"""Holes in a picture larger than the model's: each is filled in a cut-out, a part of
the picture that has the model's size.

If K cut-outs are filled in several ways, image j * K + k of the job is cut-out k, in
reading order, of filled picture j.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from worker.contract.options import FOUND, Since
from worker.contract.several import SeveralOptions, SeveralSummary
from worker.contract.traits import ModelTraits, Quality

Places = Sequence[tuple[int, int]]
"""The left and upper edge (x, y) of each cut-out in the picture, in pixels."""

_QUALITIES: Sequence[Quality] = ("exact", "good", "rough", "poor")
"""Qualities from the best to the worst."""


class CutoutOptions(SeveralOptions):
    """Options of kinds that also fill holes in pictures larger than the model's."""

    cutouts: Annotated[tuple[tuple[int, int], ...] | None, FOUND, Since(8)] = None
    """Left and upper edge (x, y) of each cut-out; None if the pictures have the model's
    size."""

    @property
    def places(self) -> Places:
        """The places of the cut-outs; empty if there are none."""
        return self.cutouts or ()

    def for_model(self, model: ModelTraits, n: int) -> Self:
        """Return a copy in which `pictures` is n if there are cut-outs."""
        return self.model_copy(update=self.pictures_for(n))

    def pictures_for(self, n: int) -> dict[str, Any]:
        """Return what `for_model` changes: option -> value."""
        # Each image of a cut-out is treated as a picture of its own.
        return {"pictures": n} if self.cutouts else {}

    def job_fields(self) -> dict[str, Any]:
        """Return `cutouts`: a list of CutoutPlace, or None."""
        places = (
            None
            if self.cutouts is None
            else [CutoutPlace(x=x, y=y) for x, y in self.cutouts]
        )
        return {"cutouts": places}


class CutoutPlace(BaseModel):
    """Where a cut-out lies in the picture, in pixels."""

    x: int = Field(description="Its left edge.")
    y: int = Field(description="Its upper edge.")


class Cutout(CutoutPlace):
    """A cut-out that has been filled, one or several times."""

    quality: Quality = Field(
        description="How good the completion is, as in `posterior`; of several "
        "images the worst."
    )
    nats: list[float] = Field(description="-ln p of the whole cut-out, for each image.")


class CutoutsSummary(SeveralSummary):
    """The summary of a job that filled cut-outs: one completion summary for each image
    of the job, in their order."""

    places: tuple[tuple[int, int], ...]
    """Left and upper edge (x, y) of each cut-out."""

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        """Return {"cutouts": [...]}: a Cutout for each place, over all images of the
        job."""
        return {"cutouts": [self._cutout(k) for k in range(len(self.places))]}

    def _cutout(self, k: int) -> Cutout:
        receipts: list[Any] = [
            each.posterior  # type: ignore[attr-defined]
            for each in self.pictures[k :: len(self.places)]
        ]
        x, y = self.places[k]
        # An image's likelihood is that of its first and only completion.
        quality = max((receipt.quality for receipt in receipts), key=_QUALITIES.index)
        return Cutout(
            x=x, y=y, quality=quality, nats=[receipt.nats[0] for receipt in receipts]
        )
