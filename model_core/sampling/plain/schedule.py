"""Which pixels each tick computes, found by tensor arithmetic alone.

An image has R places, and place p draws its rows p, p + R, p + 2R, ...; row y is at
column x in tick lag * y + x. With lag 4, R = 3 and 10 columns:

    tick      0  1  2  3  4  5  6  7  8  9 10 11 12 13
    place 0   0  1  2  3  4  5  6  7  8  9  .  .  0  1     rows 0 and 3
    place 1               0  1  2  3  4  5  6  7  8  9     row 1
    place 2                           0  1  2  3  4  5     row 2

If the lag is the whole width, an image has one place, and one row is drawn after the
other.
"""

from math import ceil

import torch

from model_core.config import NetworkConfig
from model_core.sampling.plain.positions import SMALLEST_BATCH, Positions

SCRATCH = SMALLEST_BATCH
"""Slots in addition to those of images. A place without a pixel works in the first of
them; the others make products large enough (positions.SMALLEST_BATCH)."""


class Schedule:
    """Which pixels of `slots` images are computed in each tick. A tick computes at most
    one pixel at each place. An image has R places, so that R of its rows are drawn at
    the same time: place p draws rows p, p + R, p + 2R and so on. A slot is the number
    of an image. Each image begins at a row and stops before another one.

    lag: columns by which a row is behind the row above.
    rows_at_once: R, places of one image.
    places: number of all places, which is the length of `now`; some belong to no image.
    """

    def __init__(self, config: NetworkConfig, slots: int, device: torch.device) -> None:
        """Begin without an image in any slot.

        config: of the network.
        slots: number of images.
        device: where the numbers are kept.
        """
        self.lag = config.kind.lag(config.width)
        self.rows_at_once = ceil(config.width / self.lag)
        self.places = slots * self.rows_at_once + SMALLEST_BATCH
        self._width, self._scratch = config.width, slots
        images, place = torch.arange(slots), torch.arange(self.rows_at_once)
        nobody = torch.full((SMALLEST_BATCH,), slots)
        self._slot = torch.cat([images.repeat_interleave(len(place)), nobody]).to(
            device
        )
        self._place = torch.cat([place.repeat(slots), torch.zeros_like(nobody)]).to(
            device
        )
        self._tick, self._first, self._end = torch.zeros(
            3, slots + SCRATCH, dtype=torch.int64, device=device
        )

    @property
    def slot_bytes(self) -> int:
        """Number of bytes that each additional slot adds."""
        places = sum(
            self.rows_at_once * part.element_size()
            for part in (self._slot, self._place)
        )
        return places + sum(
            part[0].nbytes for part in (self._tick, self._first, self._end)
        )

    def begin(self, slot: int, first: int, end: int) -> None:
        """Draw rows first..end-1 of a slot from the next tick on, in place of what it
        drew before; nothing if first = end."""
        self._tick[slot], self._first[slot], self._end[slot] = 0, first, end

    def now(self) -> Positions:
        """Return the pixels of this tick, one for each place."""
        since = self._tick[self._slot] - self.lag * self._place
        period = self.lag * self.rows_at_once
        y = (
            self._first[self._slot]
            + self._place
            + since.div(period, rounding_mode="floor") * self.rows_at_once
        )
        x = since.remainder(period)
        live = (since >= 0) & (x < self._width) & (y < self._end[self._slot])
        idle = ~live
        slot = self._slot.masked_fill(idle, self._scratch)
        return Positions(slot, y.masked_fill(idle, 0), x.masked_fill(idle, 0), live)

    def move_on(self) -> None:
        """Go on to the next tick."""
        self._tick += 1

    def ended(self) -> torch.Tensor:
        """Return for each slot the row that it completed in the last `lag` ticks, int64
        (slots + SCRATCH,), on the device; if it completed none, any number."""
        return (
            self._first
            + self._tick.div(self.lag, rounding_mode="floor")
            - self.rows_at_once
        )
