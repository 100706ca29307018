"""Which pixels can be drawn now (all functions are numba's).

Row y may draw its pixel x as soon as the row above has drawn `lag` columns more. Three
for the right half of the 7 x 7 kernel and one for the pixel itself make 4; the 3 x 3
and 3 x 1 kernels of the layers need fewer. A Diagonal BiLSTM needs the whole row above:
its lag is W. So several rows of an image are drawn at once, with the same result as one
after the other.

When a pixel has its turn, a lag of 4 also makes it possible to sum what its next two
neighbours read of the row above. If few pixels wait for large weights, that is done,
because weights are read once for all pixels that are summed together: a third as often
as pixel by pixel.

A list of pixels, `work`, is int64 (capacity, 3): slot, y and x of each pixel.
"""

from numba import njit

from model_core.compiled import LEAN

COLUMNS_AHEAD = 3
"""Columns, counted from the one to be drawn, that have space for what they read of the
row above."""


@njit(**LEAN)
def collect(slots, first_row, done, stop, lag, work):
    """Fill `work` with (slot, y, x) of every pixel whose turn it is, and return their
    number.

    slots: int64 (n,), the slots that are drawn.
    first_row: (all slots,), the first row that is not complete.
    done: (all slots, H + 1), columns drawn of each row; the last entry is W.
    stop: (all slots, 2), row and column before which each image pauses.
    lag: columns by which a row stays behind the row above.
    work: (capacity, 3), overwritten.
    """
    count = 0
    H, W = done.shape[1] - 1, done[0, -1]
    for slot in slots:
        for y in range(first_row[slot], min(H, stop[slot, 0] + 1)):
            x, end = done[slot, y], stop[slot, 1] if y == stop[slot, 0] else W
            if x < end and (
                y == first_row[slot] or done[slot, y - 1] >= min(W, x + lag)
            ):
                work[count, 0], work[count, 1], work[count, 2] = slot, y, x
                count += 1
            elif x == 0:
                break
    return count


@njit(**LEAN)
def collect_above(slots, first_row, done, stop, lag, summed, few, work):
    """Fill `work` with (slot, y, x) of every pixel for which the row above can be
    summed and is not, and return their number.

    The list stays empty while every pixel whose turn it is has its sum, and also if it
    is the turn of more than `few` pixels. Otherwise it contains all pixels that can be
    summed at this point, including those of rows that are about to begin.

    summed: (all slots, H), the columns of row y for which row y - 1 is summed; those of
        the list are added.

    The other arguments are those of `collect`.
    """
    waiting, count = collect(slots, first_row, done, stop, lag, work), 0
    if waiting > few or not _lacking(work, waiting, summed):
        return count
    H, W = summed.shape[1], done[0, -1]
    for slot in slots:
        for y in range(first_row[slot], H):
            above, drawn = (
                done[slot, y - 1],
                done[slot, y],
            )  # above the first row lies the last of `done`, which is W
            end = min(
                W if above == W else above - 1, drawn + COLUMNS_AHEAD, W
            )  # one column on is read as well
            for x in range(max(summed[slot, y], drawn), end):
                work[count, 0], work[count, 1], work[count, 2] = slot, y, x
                count += 1
            summed[slot, y] = max(summed[slot, y], end)
            if drawn == 0:
                break
    return count


@njit(**LEAN)
def _lacking(work, count, summed):
    """Return how many pixels of a list lack their sum."""
    lacking = 0
    for i in range(count):
        lacking += work[i, 2] >= summed[work[i, 0], work[i, 1]]
    return lacking


@njit(**LEAN)
def fill_up(work, count, scratch):
    """Pad a list of `count` pixels, if it has more than one, to a multiple of four with
    the first pixel of the slot `scratch`; return the new length."""
    while count > 1 and count % 4:
        work[count, 0], work[count, 1], work[count, 2] = scratch, 0, 0
        count += 1
    return count


@njit(**LEAN)
def move_on(work, count, done, first_row, finished):
    """Count the first `count` pixels of a list as drawn: update `done` and `first_row`
    (see `collect`). Write (slot, y) of the rows that are now complete to `finished`,
    and return their number."""
    W = done[0, -1]
    rows = 0
    for i in range(count):
        slot, y = work[i, 0], work[i, 1]
        done[slot, y] += 1
        if done[slot, y] == W:
            finished[rows, 0], finished[rows, 1] = slot, y
            first_row[slot] = y + 1
            rows += 1
    return rows
