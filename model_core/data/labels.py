"""Labels of images: a number for each image of a split, and the names of the
numbers."""

from collections import Counter
from collections.abc import Sequence, Sized
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from model_core.config import MAX_LABEL_NAME
from model_core.data.splits import spread
from model_core.errors import DataError

Numbers = npt.NDArray[np.int64]
"""(N,): the number of each image's label."""


@dataclass(frozen=True)
class Labels:
    """The labels of one split's images.

    names: the names of all labels of the data set, by number.
    numbers: (N,), the number of each image's label, in the images' order.
    """

    names: tuple[str, ...]
    numbers: Numbers

    @classmethod
    def from_numbers(
        cls, numbers: npt.ArrayLike, names: Sequence[str] | None, source: object
    ) -> "Labels":
        """Return the labels with these numbers, as a file has them.

        names: of all labels, by number; None for "0", "1", ... up to the largest
            number.
        source: the file, for messages.

        Raises DataError if the numbers are not integers (N,), if a number has no name,
        or for a name that is too long, empty or not UTF-8, or occurs twice.
        """
        array = np.asarray(numbers)
        if array.ndim != 1 or array.dtype.kind not in "iub":
            raise DataError(
                f"{source}: expected whole numbers, one for each image, not "
                f"{array.dtype} {array.shape}"
            )
        array = array.astype(np.int64)
        names = tuple(names or map(str, range(int(array.max(initial=-1)) + 1)))
        for name in names:
            if not 1 <= len(name) <= MAX_LABEL_NAME:
                raise DataError(
                    f"{source}: a label's name must have 1 to {MAX_LABEL_NAME} "
                    f"characters, not {len(name)}: {name!r}"
                )
        for name in names:
            # Folders of an old zip file have names that Python cannot encode.
            if name.encode(errors="ignore").decode() != name:
                raise DataError(f"{source}: a label's name must be UTF-8, not {name!r}")
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:  # no card may have them
            raise DataError(f"{source}: two labels have the name {twice[0]!r}")
        if len(array) and not 0 <= array.min() <= array.max() < len(names):
            raise DataError(
                f"{source}: labels are {array.min()} to {array.max()}, expected 0 to "
                f"{len(names) - 1}"
            )
        return cls(names, array)

    @property
    def priors(self) -> list[float]:
        """The share of each label among these images, by number; none is 0, and they
        add up to 1."""
        # Each label counts once more than it occurs, so that none has probability 0.
        counts = np.bincount(self.numbers, minlength=len(self.names)) + 1
        return (counts / counts.sum()).tolist()

    def spread(self, limit: int) -> "Labels":
        """Return the labels of `limit` images spread evenly over these, the ones that
        `splits.spread` selects of the images; all if limit is 0."""
        return Labels(self.names, spread(self.numbers, limit))


def expect_one_each(labels: Sized, images: Sized, source: object) -> None:
    """Raise DataError unless there are as many labels as images, so that lists that do
    not match are never combined.

    source: the file, for the message.
    """
    if len(labels) != len(images):
        raise DataError(
            f"{source}: expected one label for each image, not {len(labels)} for "
            f"{len(images)}"
        )
