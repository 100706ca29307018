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
    """A place in an image in raster order, which is row by row from the top and in each
    row from the left: after the pixels of row y before column x, and after all rows
    above. x = W, the width, is the end of row y. Later stops compare as greater."""

    y: int
    x: int


def first_hole(keep: NDArray[np.bool_]) -> int:
    """Return the index in raster order, y * W + x, of the first pixel that is not
    given; H * W if all are given.

    keep: bool (H, W), True for given pixels.
    """
    flat = keep.ravel()
    return len(flat) if flat.all() else int(np.argmin(flat))


def given_behind(keep: NDArray[np.bool_]) -> int:
    """Return how many given pixels come after the first pixel of the hole in raster
    order; 0 if there is no hole.

    keep: bool (H, W), True for given pixels, False for the hole.
    """
    return int(keep.ravel()[first_hole(keep) :].sum())


def is_mostly_last(keep: NDArray[np.bool_]) -> bool:
    """Return True if more than half of the hole's pixels come after all given pixels in
    raster order; False if there is no hole.

    keep: bool (H, W), True for given pixels, False for the hole.
    """
    return 2 * first_hole(~keep[::-1, ::-1]) > int(np.count_nonzero(~keep))


def windows(hole: NDArray[np.bool_], dy: int, dx: int) -> list[NDArray[np.bool_]]:
    """Cut a hole into adjacent windows of `window_size`. Return one map, bool (H, W),
    for each window that contains pixels of the hole: True for these pixels. Windows are
    ordered by row, then from left to right.

    hole: bool (H, W), True for the pixels of the hole.
    dy, dx: rows and columns by which the first window begins above and to the left of
        the image; 0 to a window's size - 1.
    """
    H, W = hole.shape
    tall, wide = window_size(H, W)
    y, x = np.mgrid[:H, :W]
    number = (y + dy) // tall * (W + wide) + (x + dx) // wide
    return [hole & (number == each) for each in np.unique(number[hole])]


def window_size(height: int, width: int) -> tuple[int, int]:
    """Return the number of rows and of columns of a window of an image: a quarter of
    the image's, rounded down, but at least 2."""
    return max(2, height // 4), max(2, width // 4)


def stops(keep: NDArray[np.bool_], within_rows: bool = True) -> list[Stop]:
    """Return the stops at which the weights of particles (images that are drawn side by
    side through a hole) are compared, in raster order. There are none if no given pixel
    comes after the hole's first pixel.

    keep: bool (H, W), True for given pixels.
    within_rows: True if there may be stops within a row, False if only at the ends of
        rows.

    Given pixels change the weights if they come after the hole's first pixel. There is
    a stop at the end of each row that has such pixels since the row's last stop. With
    within_rows there may also be a stop before a hole pixel, at least
    COLUMNS_BETWEEN_STOPS (4) columns after the row's beginning or last stop, if the
    columns since then contain both such given pixels and hole pixels. Otherwise weights
    that grow over a whole row of scattered pixels would leave one particle with all the
    weight.
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
    """Return the stops `compared` and the ends of all rows from that of the hole's
    first pixel on, in raster order and without duplicates: a sweep pauses at each of
    them.

    keep: bool (H, W), True for given pixels.
    compared: stops, in any order.
    """
    H, W = keep.shape
    first = first_hole(keep)
    ends = {Stop(y, W) for y in range(min(first // W, H), H)}
    return sorted({*compared, *ends})
