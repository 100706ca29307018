"""Holes in a larger picture: each is filled in a cut-out of the model's size, as a picture of its own.

Image j * K + k of a job with K cut-outs is cut-out k, in reading order, of picture j.
"""

from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field

from worker.contract.kind import FOUND, Able, Quality, Since
from worker.contract.several import SeveralOptions, SeveralSummary

Places = Sequence[tuple[int, int]]
"""The left and the upper edge of each cut-out in the picture."""

_WORDS: Sequence[Quality] = ("exact", "good", "rough", "poor")


class CutoutOptions(SeveralOptions):
    """Options of a kind that fills holes in larger pictures, too."""

    cutouts: Annotated[tuple[tuple[int, int], ...] | None, FOUND, Since(8)] = None
    """The places of the cut-outs; None: the pictures are of the model's size."""

    @property
    def places(self) -> Places:
        return self.cutouts or ()

    def settled(self, model: Able, n: int) -> Self:
        settled = super().settled(model, n)
        return settled.model_copy(update={"pictures": n}) if self.cutouts else settled

    def job_fields(self) -> dict[str, Any]:
        places = (
            None
            if self.cutouts is None
            else [CutoutPlace(x=x, y=y) for x, y in self.cutouts]
        )
        return {**super().job_fields(), "cutouts": places}


class CutoutPlace(BaseModel):
    """The place of a cut-out in the picture."""

    x: int = Field(description="Its left edge.")
    y: int = Field(description="Its upper edge.")


class Cutout(CutoutPlace):
    """A cut-out that is filled."""

    quality: Quality = Field(
        description="How good it is, of several images the worst: that of `posterior`."
    )
    nats: list[float] = Field(
        description="-ln p of the cut-out as a whole, of each image."
    )


class CutoutsSummary(SeveralSummary):
    """The summary of each cut-out of each picture, in the order of the job's images."""

    places: tuple[tuple[int, int], ...]

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        return {"cutouts": [self._cutout(k) for k in range(len(self.places))]}

    def _cutout(self, k: int) -> Cutout:
        receipts: list[Any] = [
            each.posterior  # type: ignore[attr-defined]
            for each in self.pictures[k :: len(self.places)]
        ]
        x, y = self.places[k]
        quality = max((receipt.quality for receipt in receipts), key=_WORDS.index)
        return Cutout(
            x=x, y=y, quality=quality, nats=[receipt.nats[0] for receipt in receipts]
        )
