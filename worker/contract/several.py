"""Several pictures in one job: its options, and its summary, which contains one summary
for each picture."""

import json
from collections.abc import Sequence
from typing import Annotated, Any, Self

from pydantic import Field, SerializeAsAny

from worker.contract.kind import Summary
from worker.contract.options import FOUND, MAX_IMAGES, BadOptionError, Options, Since


class SeveralOptions(Options):
    """Options of kinds whose jobs may take several pictures. The job's `n` counts the
    images of all pictures together."""

    pictures: Annotated[int, FOUND, Since(8)] = Field(default=0, ge=0, le=MAX_IMAGES)
    """Number of pictures, if there are several or they are cut-outs; 0 for a single
    picture."""

    def images(self, of_each: int, /) -> int:
        """Return the number of images of all pictures together. Raises BadOptionError
        if there are more than MAX_IMAGES.

        of_each: number of images of each picture.
        """
        if of_each * self.picture_count > MAX_IMAGES:
            most = MAX_IMAGES // self.picture_count
            parts = "cut-outs" if self.places else "pictures"
            raise BadOptionError(
                f"n: expected at most {most} for {self.picture_count} {parts}", "n"
            )
        return of_each * self.picture_count

    @property
    def picture_count(self) -> int:
        """Number of pictures, at least 1."""
        return self.pictures or 1

    @property
    def is_of_several(self) -> bool:
        """True if the job has several pictures or cut-outs."""
        return self.pictures > 0


class SeveralSummary(Summary):
    """The summary of a job with several pictures: one summary for each picture, in
    their order."""

    pictures: tuple[SerializeAsAny[Summary], ...]
    """The summaries, each of the class that the kind names."""

    @classmethod
    def read(cls, text: str, of: type[Summary]) -> Self:
        """Parse the stored JSON, an object whose list `pictures` has a summary of the
        class `of` for each picture."""
        return cls(
            pictures=tuple(
                of.model_validate(each) for each in json.loads(text)["pictures"]
            )
        )

    def result_fields(
        self, images: Sequence[str], address: str, query: str = ""
    ) -> dict[str, Any]:
        """Return {"pictures": [...]}: the result fields of each picture, with the
        addresses of its own images."""
        n = len(images) // len(self.pictures)
        own = [images[first : first + n] for first in range(0, len(images), n)]
        pictures = [
            {**each.result_fields(own[i], address, f"?picture={i}"), "images": own[i]}
            for i, each in enumerate(self.pictures)
        ]
        return {"pictures": pictures}


def summaries_of(result: Summary) -> Sequence[Any]:
    """Return the summary of each picture of a job; a list of one if the job has a
    single picture."""
    return result.pictures if isinstance(result, SeveralSummary) else [result]
