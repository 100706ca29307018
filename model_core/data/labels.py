"""Labels of images: a number for each image of a split, and the names of the numbers. What holds them is the data set's
own matter."""

from collections.abc import Sequence, Sized
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_core.config import MAX_LABEL_NAME
from model_core.data.splits import spread
from model_core.errors import DataError

Numbers = npt.NDArray[np.int64]
"""(N,): of each image the number of its label."""


@dataclass(frozen=True)
class Labels:
    """The labels of one split's images, in their order, and the names of all labels that the data set has."""

    names: tuple[str, ...]
    of: Numbers

    @classmethod
    def numbered(
        cls, numbers: npt.ArrayLike, names: Sequence[str] | None, source: object
    ) -> "Labels":
        """Numbers as a file says them; names: None for the numbers themselves, up to the largest.

        Raises DataError when a number has no name, and for a name that is too long, empty or no UTF-8.
        """
        of = np.asarray(numbers)
        if of.ndim != 1 or of.dtype.kind not in "iub":
            raise DataError(
                f"{source}: expected whole numbers, one for each image, not {of.dtype} {of.shape}"
            )
        of = of.astype(np.int64)
        names = tuple(names or map(str, range(int(of.max(initial=-1)) + 1)))
        if odd := [name for name in names if not 1 <= len(name) <= MAX_LABEL_NAME]:
            said = f"1 to {MAX_LABEL_NAME} characters, not {len(odd[0])}: {odd[0]!r}"
            raise DataError(f"{source}: a label's name must have {said}")
        if odd := [
            name for name in names if name.encode(errors="ignore").decode() != name
        ]:  # folders of an old zip
            raise DataError(f"{source}: a label's name must be UTF-8, not {odd[0]!r}")
        if len(of) and not 0 <= of.min() <= of.max() < len(names):
            raise DataError(
                f"{source}: labels are {of.min()} to {of.max()}, expected 0 to {len(names) - 1}"
            )
        return cls(names, of)

    @property
    def priors(self) -> list[float]:
        """How likely each label is by these images: its share, where each counts once more than it is there, so that
        none is impossible."""
        counts = np.bincount(self.of, minlength=len(self.names)) + 1
        return (counts / counts.sum()).tolist()

    def spread(self, limit: int) -> "Labels":
        """The labels of those images that `spread` takes of theirs."""
        return Labels(self.names, spread(self.of, limit))


def expect_one_each(labels: Sized, images: Sized, source: object) -> None:
    """DataError unless each image has a label: two lists that do not fit are never laid side by side."""
    if len(labels) != len(images):
        raise DataError(
            f"{source}: expected one label for each image, not {len(labels)} for {len(images)}"
        )
