"""Several pictures in one job: what its options say of them, and its summary, which has one of each."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, SerializeAsAny

from worker.contract.kind import (
    FOUND,
    MAX_IMAGES,
    BadOptionError,
    Options,
    Since,
    Summary,
)


class SeveralOptions(Options):
    """Options of a kind whose jobs may take several pictures; n counts the images of all of them."""

    pictures: Annotated[int, FOUND, Since(8)] = Field(default=0, ge=0, le=MAX_IMAGES)
    """How many pictures there are, where there are several or they are cut-outs; 0: one."""

    def images(self, n: int) -> int:
        if n * self.picture_count > MAX_IMAGES:
            most, what = (
                MAX_IMAGES // self.picture_count,
                "cut-outs" if self.places else "pictures",
            )
            raise BadOptionError(
                f"n: expected at most {most} for {self.picture_count} {what}", "n"
            )
        return n * self.picture_count

    @property
    def picture_count(self) -> int:
        return self.pictures or 1

    @property
    def is_of_several(self) -> bool:
        return self.pictures > 0


class SeveralSummary(Summary):
    """The summary of each picture, in their order."""

    pictures: tuple[SerializeAsAny[Summary], ...]

    @classmethod
    def read(cls, text: str, of: type[Summary]) -> Self:
        """Read the stored JSON, in which each is a summary of this type."""
        return cls(
            pictures=tuple(
                of.model_validate(each) for each in json.loads(text)["pictures"]
            )
        )

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        n = len(images) // len(self.pictures)
        own = [images[first : first + n] for first in range(0, len(images), n)]
        pictures = [
            {**each.result_fields(own[i], address, f"?picture={i}"), "images": own[i]}
            for i, each in enumerate(self.pictures)
        ]
        return {"pictures": pictures}


def summaries_of(result: Summary) -> Sequence[Any]:
    """The summary of each picture of a job."""
    return result.pictures if isinstance(result, SeveralSummary) else [result]
