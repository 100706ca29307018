"""The last rows of some maps, for every slot. A step reads only what was written at
most a few rows before.

A ring holds `rows` rows of W pixels with a border of `reach` pixels on each side; row y
is stored at y modulo `rows`. Pixels outside the image read as the border value: nothing
writes to the sides, and `clear` fills the rows above the image.
"""

from typing import Protocol

import torch
from torch import Tensor

from model_core.sampling.plain.positions import Positions


class KeptMaps(Protocol):
    """Maps of each slot that a stepper (the state of a network, stepper.py) keeps from
    one step to the next. A slot is the number under which an image is kept."""

    @property
    def slot_bytes(self) -> int:
        """Number of bytes of one slot."""
        ...

    def clear(self, slot: int) -> None:
        """Prepare a slot for a new image: every pixel reads as one outside the
        image."""
        ...

    def fork(self, source: int, target: int) -> None:
        """Copy everything that is kept of the slot `source` to the slot `target`."""
        ...


Tap = tuple[int, int]
"""(dy, dx): where a neighbour is, relative to a pixel. It never comes later in raster
order."""


def taps_on(device: torch.device, taps: list[Tap]) -> Tensor:
    """Return taps, (row offset, column offset) of neighbours relative to a pixel, as
    int64 (2, T) on a device: the row offsets dy, then the column offsets dx. At least
    one tap."""
    return torch.tensor(taps).t().to(device)


class Ring:
    """Computes where pixels and their neighbours are stored in the maps of one ring, as
    indices that are called cells, and which all these maps share. A ring keeps the last
    few rows of each slot, the number under which an image is kept: row y is stored at y
    modulo the number of rows. It has a border on each side for pixels outside the
    image.

    slots: number of slots.
    image: number of cells of one slot.
    """

    def __init__(self, slots: int, rows: int, width: int, reach: int) -> None:
        """Compute the sizes; no map is made.

        slots: number of slots.
        rows: rows that are kept of each slot.
        width: W, pixels of a row.
        reach: pixels of the border on each side.
        """
        self.slots = slots
        self._rows = rows
        self._reach = reach
        self._row = width + 2 * reach
        self.image = rows * self._row
        """Number of cells of one slot."""

    def of(self, slot: int) -> slice:
        """Return the cells of a slot."""
        return slice(slot * self.image, (slot + 1) * self.image)

    def cells(self, where: Positions) -> Tensor:
        """Return the cell of each pixel, int64 (M,)."""
        return (
            where.slot * self.image
            + where.y % self._rows * self._row
            + where.x
            + self._reach
        )

    def around(self, where: Positions, taps: Tensor) -> Tensor:
        """Return the cells of each pixel's neighbours, int64 (M, T).

        taps: (2, T), where the T neighbours lie: rows and columns relative to the
            pixel, the columns at most `reach` away, the rows no further up than the
            ring keeps.
        """
        dy, dx = taps
        rows = (where.y[:, None] + dy) % self._rows
        return (
            where.slot[:, None] * self.image
            + rows * self._row
            + where.x[:, None]
            + dx
            + self._reach
        )


class RingMaps:
    """L maps of F features on one ring, which holds the last few rows of each slot, the
    number under which an image is kept. A cell is the place of one pixel (Ring)."""

    def __init__(self, ring: Ring, border: Tensor) -> None:
        """Make the maps, on the device of `border`; every cell holds the border values.

        border: (L, F), what pixels outside the image hold.
        """
        self._ring = ring
        self._border = border[:, None, :]
        self._maps = self._border.expand(
            -1, ring.slots * ring.image, -1
        ).clone()  # (L, cells, F)

    @property
    def slot_bytes(self) -> int:
        """Number of bytes of one slot."""
        return self._maps[:, self._ring.of(0)].nbytes

    def clear(self, slot: int) -> None:
        """Fill a slot with the border values, for a new image."""
        self._maps[:, self._ring.of(slot)] = self._border

    def fork(self, source: int, target: int) -> None:
        """Copy the rows of the slot `source` to the slot `target`."""
        self._maps[:, self._ring.of(target)] = self._maps[:, self._ring.of(source)]

    def write(
        self, layer: int, cells: Tensor, columns: slice, features: Tensor
    ) -> None:
        """Store features (M, F_c) in the columns `columns`, F_c of the F features, of
        the given cells (M,) of the map of one layer."""
        self._maps[layer, cells, columns] = features

    def read(self, layer: int, around: Tensor) -> Tensor:
        """Return the features of neighbours side by side, (M, T * F), given their cells
        (M, T), from the map of one layer."""
        return self._maps[layer].index_select(0, around.flatten()).view(len(around), -1)
