"""Names of variables, and the order in which a model generates them."""

import math
from collections.abc import Sequence

import numpy as np


def pixel_order(shape: Sequence[int]) -> np.ndarray:
    """Return the order of an image `(C, H, W)`: row by row, and within a pixel colour
    by colour.

    The result holds flat indices into `shape`. Arrays lie in memory plane by plane, so
    networks that draw a whole pixel before the next one need this order.
    """
    colours, height, width = shape
    flat = np.arange(colours * height * width).reshape(colours, height, width)
    return flat.transpose(1, 2, 0).reshape(-1)


class Places:
    """The variables of an image in the order of generation, and their names.

    Args:
        shape: shape of one image, for instance `(C, H, W)`, `(H, W)` or `(T,)`.
        order: flat indices into `shape`, each once, first generated first. Default: as
            they lie in memory.

    Raises:
        ValueError: `shape` has a size below 1, or `order` is no permutation
            of integers.
    """

    def __init__(
        self, shape: Sequence[int], order: Sequence[int] | np.ndarray | None = None
    ) -> None:
        self.shape = tuple(int(size) for size in shape)
        if not self.shape or min(self.shape) < 1:
            raise ValueError(f"shape is {self.shape}, expected sizes of at least 1")
        self.count = math.prod(self.shape)
        self.order = np.arange(self.count)
        if order is not None:
            self.order = np.asarray(order).reshape(-1)
        if self.order.dtype.kind not in "iu":
            raise ValueError(f"order holds {self.order.dtype}, expected integers")
        is_permutation = np.array_equal(np.sort(self.order), np.arange(self.count))
        if not is_permutation:
            raise ValueError(
                f"order must hold each of the flat indices 0 to {self.count - 1} once"
            )

    def coordinates(self, place: int) -> tuple[int, ...]:
        """Return the index into `shape` of the variable generated at `place`."""
        index = np.unravel_index(self.order[place], self.shape)
        return tuple(int(part) for part in index)

    def name(self, place: int) -> str:
        """Return a name of the variable generated at `place`, such as pixel (3, 5)."""
        index = self.coordinates(place)
        if len(index) == 1:
            return f"position {index[0]}"
        if len(index) == 2:
            return f"pixel {index}"
        if len(index) == 3:
            colour, row, column = index
            pixel = f"pixel ({row}, {column})"
            return pixel if self.shape[0] == 1 else f"colour {colour} of {pixel}"
        return f"variable {index}"

    def to_memory(self, images: np.ndarray) -> np.ndarray:
        """Return images `(N, D)` in the order of generation as `(N, *shape)`."""
        flat = np.empty_like(images)
        flat[:, self.order] = images
        return flat.reshape(-1, *self.shape)

    def to_generated(self, images: np.ndarray) -> np.ndarray:
        """Return arrays `(N, *shape)` as `(N, D)` in the order of generation."""
        return images.reshape(len(images), self.count)[:, self.order]
