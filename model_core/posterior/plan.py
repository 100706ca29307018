"""Plans for a hole: how well an order suits it, and where particles are compared. This
file knows only masks, bool (H, W) maps that are True for given pixels."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COLUMNS_BETWEEN_STOPS = 4
"""Minimum number of columns between two comparisons of particles, if hole and given
pixels alternate in a row."""


class Stop(NamedTuple):
    """A place in raster order: after the pixels of row y before column x, and all rows
    above. x = W is the end of the row."""

    y: int
    x: int


def first_hole(keep: NDArray[np.bool_]) -> int:
    """Return the index in raster order of the first pixel of keep (H, W) that is not
    given; H * W if all are."""
    flat = keep.ravel()
    return len(flat) if flat.all() else int(np.argmin(flat))


def given_behind(keep: NDArray[np.bool_]) -> int:
    """Return how many given pixels of keep (H, W) come after the first hole pixel in
    raster order."""
    return int(keep.ravel()[first_hole(keep) :].sum())


def is_mostly_last(keep: NDArray[np.bool_]) -> bool:
    """Return True if more than half of the hole pixels of keep (H, W) come after all
    given pixels in raster order."""
    return 2 * first_hole(~keep[::-1, ::-1]) > int(np.count_nonzero(~keep))


def windows(hole: NDArray[np.bool_], dy: int, dx: int) -> list[NDArray[np.bool_]]:
    """Return the parts of a hole, bool (H, W), that fall into adjacent windows, row by
    row; windows without a hole pixel are left out.

    dy, dx: rows and columns, less than a window's size, by which the first window
        begins above and to the left of the image.
    """
    H, W = hole.shape
    tall, wide = window_size(H, W)
    y, x = np.mgrid[:H, :W]
    number = (y + dy) // tall * (W + wide) + (x + dx) // wide
    return [hole & (number == each) for each in np.unique(number[hole])]


def window_size(height: int, width: int) -> tuple[int, int]:
    """Return the rows and columns of a window: a quarter of the image's, at least 2."""
    return max(2, height // 4), max(2, width // 4)


def stops(keep: NDArray[np.bool_], within_rows: bool = True) -> list[Stop]:
    """Return the stops at which particles are compared, in raster order.

    keep: bool (H, W), True for given pixels.
    within_rows: True if stops within a row are possible.

    Particles are compared after given pixels that come after the hole's first pixel,
    because these change their weights. There is a stop at the end of each row that has
    such pixels since the row's last stop. With within_rows there is also a stop before
    a hole pixel if at least COLUMNS_BETWEEN_STOPS columns have passed in the row since
    its beginning or its last stop, and these contain both such given pixels and hole
    pixels: weights that grow over a whole row of scattered pixels would leave one
    particle with all the weight.
    """
    W = keep.shape[1]
    first, found = first_hole(keep), list[Stop]()
    for y in range(first // W, len(keep)):
        # tells: since the last stop there was a given pixel behind the hole's first
        # pixel.
        # lacks: since then a pixel was missing.
        begun, tells, lacks = 0, False, False
        for x, is_given in enumerate(keep[y].tolist()):
            if (
                within_rows
                and tells
                and lacks
                and not is_given
                and x - begun >= COLUMNS_BETWEEN_STOPS
            ):
                found.append(Stop(y, x))
                begun, tells, lacks = x, False, False
            tells |= is_given and y * W + x > first
            lacks |= not is_given
        if tells:
            found.append(Stop(y, W))
    return found


def with_row_ends(keep: NDArray[np.bool_], compared: Sequence[Stop]) -> list[Stop]:
    """Return the stops `compared` and the ends of all rows from the hole's first pixel
    on, sorted and without duplicates. At these a run may pause."""
    H, W = keep.shape
    first = first_hole(keep)
    ends = {Stop(y, W) for y in range(min(first // W, H), H)}
    return sorted({*compared, *ends})
