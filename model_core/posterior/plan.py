"""Plans for a hole: how well an order suits it, and where particles are compared. Knows only masks."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

COLUMNS_BETWEEN_STOPS = 4
"""Columns between two comparisons of particles, about, if hole and given pixels alternate in a row."""


class Stop(NamedTuple):
    """A place in the raster order: row y, up to but not including column x."""

    y: int
    x: int


def first_hole(keep: NDArray[np.bool_]) -> int:
    """The place in raster order of the first pixel of keep (H, W) that is not given; H * W when all are."""
    flat = keep.ravel()
    return len(flat) if flat.all() else int(np.argmin(flat))


def given_behind(keep: NDArray[np.bool_]) -> int:
    """How many pixels of keep (H, W), True = given, lie behind the first hole pixel in raster order."""
    return int(keep.ravel()[first_hole(keep) :].sum())


def is_mostly_last(keep: NDArray[np.bool_]) -> bool:
    """True if more than half of the hole of keep (H, W) lies behind all that is given."""
    return 2 * first_hole(~keep[::-1, ::-1]) > int(np.count_nonzero(~keep))


def windows(hole: NDArray[np.bool_], dy: int, dx: int) -> list[NDArray[np.bool_]]:
    """The parts of a hole (H, W) in squares that lie side by side, row by row; the first one begins dy rows and dx
    columns, less than a square's side, before the image."""
    H, W = hole.shape
    tall, wide = window_size(H, W)
    y, x = np.mgrid[:H, :W]
    number = (y + dy) // tall * (W + wide) + (x + dx) // wide
    return [hole & (number == each) for each in np.unique(number[hole])]


def window_size(height: int, width: int) -> tuple[int, int]:
    """Rows and columns of a window: a quarter of the image's."""
    return max(2, height // 4), max(2, width // 4)


def stops(keep: NDArray[np.bool_], within_rows: bool = True) -> list[Stop]:
    """The stops at which particles are compared, in raster order; keep (H, W), True = given.

    A stop follows each row that has given pixels behind the hole's first pixel. With within_rows there is one, too,
    wherever a hole pixel comes next and at least COLUMNS_BETWEEN_STOPS columns since the last stop hold both given and
    hole pixels: weights that grow over a whole row of scattered pixels would leave one particle alive.
    """
    W = keep.shape[1]
    first, found = first_hole(keep), list[Stop]()
    for y in range(first // W, len(keep)):
        # since the last stop: does something that is given lie behind the first hole pixel, and is a pixel missing?
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
    """These stops, and between them the ends of the rows from the hole's first pixel on, where a run may pause."""
    H, W = keep.shape
    first = first_hole(keep)
    ends = {Stop(y, W) for y in range(min(first // W, H), H)}
    return sorted({*compared, *ends})
