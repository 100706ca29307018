"""The last rows of some maps, for every slot: what a step reads was written at most a few rows ago.

A ring holds `rows` rows of W pixels with a border of `reach` pixels at each side; row y lies at y modulo `rows`. What
lies outside the image reads as the border value: the sides because nothing writes there, the top because `clear` filled
it.
"""

from typing import Protocol

import torch
from torch import Tensor

from model_core.sampling.plain.positions import Positions


class KeptMaps(Protocol):
    """Maps that are kept of each slot from one step to the next."""

    @property
    def slot_bytes(self) -> int: ...
    def clear(self, slot: int) -> None:
        """Make ready for a new image: no row has been drawn, so whatever is above reads as the outside."""
        ...

    def fork(self, source: int, target: int) -> None:
        """Copy all that is kept of one slot to another."""
        ...


Tap = tuple[int, int]
"""(dy, dx) of a neighbour, never ahead of the pixel in raster order."""


def taps_on(device: torch.device, taps: list[Tap]) -> Tensor:
    """(2, T) int64: the rows dy and columns dx, kept where they are used."""
    return torch.tensor(taps).t().to(device)


class Ring:
    """Places of pixels and their neighbours: flat indices, shared by all maps of one shape."""

    def __init__(self, slots: int, rows: int, width: int, reach: int) -> None:
        self.slots = slots
        self._rows = rows
        self._reach = reach
        self._row = width + 2 * reach
        self.image = rows * self._row
        """Cells of one slot."""

    def of(self, slot: int) -> slice:
        """The cells of this slot."""
        return slice(slot * self.image, (slot + 1) * self.image)

    def cells(self, where: Positions) -> Tensor:
        """(M,) index of each pixel."""
        return (
            where.slot * self.image
            + where.y % self._rows * self._row
            + where.x
            + self._reach
        )

    def around(self, where: Positions, taps: Tensor) -> Tensor:
        """(M, T) indices of each pixel's neighbours, in the order of the taps (2, T)."""
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
    """L maps of F features on one ring. border (L, F): what the outside of the image holds."""

    def __init__(self, ring: Ring, border: Tensor) -> None:
        self._ring = ring
        self._border = border[:, None, :]
        self._maps = self._border.expand(
            -1, ring.slots * ring.image, -1
        ).clone()  # (L, cells, F)

    @property
    def slot_bytes(self) -> int:
        return self._maps[:, self._ring.of(0)].nbytes

    def clear(self, slot: int) -> None:
        self._maps[:, self._ring.of(slot)] = self._border

    def fork(self, source: int, target: int) -> None:
        self._maps[:, self._ring.of(target)] = self._maps[:, self._ring.of(source)]

    def write(
        self, layer: int, cells: Tensor, columns: slice, features: Tensor
    ) -> None:
        """Store (M, F_c) features of one colour."""
        self._maps[layer, cells, columns] = features

    def read(self, layer: int, around: Tensor) -> Tensor:
        """(M, T) indices -> (M, T * F): the neighbours side by side."""
        return self._maps[layer].index_select(0, around.flatten()).view(len(around), -1)
