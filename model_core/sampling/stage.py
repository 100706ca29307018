"""One network drawing images side by side, each slot at its own pixel. Knows slots and pixels, not who asked.

A Multi-Scale model has two stages, every other model one.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.draw import draw
from model_core.sampling.positions import Positions
from model_core.sampling.steppers import stepper_for


@dataclass(frozen=True)
class Drawing:
    """What one image is drawn from: noise (H, W, C); known (C, H, W) values where keep (H, W); condition (H, W, c)."""

    noise: Tensor
    temperature: float
    known: Tensor | None = None
    keep: Tensor | None = None
    condition: Tensor | None = None

    @cached_property
    def given_rows(self) -> int:
        """How many of the leading rows are given whole; the last row is never counted, so that one is left to do."""
        if self.keep is None:
            return 0
        whole = self.keep[:-1].all(1).tolist()
        return [*whole, False].index(False)


@dataclass(frozen=True)
class SlotRow:
    """Row y of the image in a slot is final: (C, W) values."""

    slot: int
    y: int
    values: NDArray[np.uint8]
    is_last: bool


class Stage:
    """One pixel of every image in every step; an image leaves with its last row."""

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        config = network.config
        C, H, W = config.channels, config.height, config.width
        self._shape = C, H, W
        self._stepper = stepper_for(network, slots)
        self._scratch = slots
        self._active: list[int] = []
        # One entry for every slot and, last, the scratch slot, whose pixels are computed and thrown away.
        self._y, self._x = torch.zeros(slots + 1, dtype=torch.int64), torch.zeros(slots + 1, dtype=torch.int64)
        self._values = torch.zeros(slots + 1, C, H, W, dtype=torch.int64)
        self._keep = torch.zeros(slots + 1, H, W, dtype=torch.bool)
        self._noise = torch.zeros(slots + 1, H, W, C, dtype=torch.float64)
        self._temperature = torch.ones(slots + 1, dtype=torch.float64)

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none."""
        self._take_up(slot, drawing)
        self._stepper.open(slot, drawing.condition)

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none, after its given rows: they and the condition are those of `source`,
        which has just finished the last of them."""
        self._take_up(target, drawing)
        self._y[target] = drawing.given_rows
        self._stepper.fork(source, target)

    def _take_up(self, slot: int, drawing: Drawing) -> None:
        self._active.append(slot)
        self._y[slot] = self._x[slot] = 0
        self._noise[slot] = drawing.noise
        self._temperature[slot] = drawing.temperature
        self._keep[slot] = False
        if drawing.keep is not None and drawing.known is not None:
            self._keep[slot] = drawing.keep
            self._values[slot] = drawing.known

    def close(self, slot: int) -> None:
        """Stop drawing the image in a slot, if there is one."""
        if slot in self._active:
            self._active.remove(slot)

    def image(self, slot: int) -> Tensor:
        """(C, H, W) values drawn so far."""
        return self._values[slot]

    def step(self) -> list[SlotRow]:
        """Advance every image by one pixel; returns the rows that became final.

        Raises FloatingPointError when the network gives logits that are not finite.
        """
        if not self._active:
            return []
        where = Positions.of(self._active, self._y, self._x, self._scratch)
        self._draw_pixels(where)
        return self._move_on()

    def _draw_pixels(self, where: Positions) -> None:
        drawn = ~self._keep[where.slot, where.y, where.x]
        drawn[where.real :] = False
        wanted = drawn.nonzero()[:, 0]
        for colour in range(self._shape[0]):
            top = self._stepper.features(where, colour)
            if len(wanted):
                self._draw_colour(where, wanted, top, colour)
            self._stepper.ends.place(where, colour, self._values[where.slot, colour, where.y, where.x])

    def _draw_colour(self, where: Positions, wanted: Tensor, top: Tensor, colour: int) -> None:
        slot, y, x = where.slot[wanted], where.y[wanted], where.x[wanted]
        logits = self._stepper.ends.logits(top, colour)[wanted]
        self._values[slot, colour, y, x] = draw(logits, self._noise[slot, y, x, colour], self._temperature[slot])

    def _move_on(self) -> list[SlotRow]:
        _, H, W = self._shape
        slots = torch.tensor(self._active)
        self._x[slots] += 1
        ended = slots[self._x[slots] == W].tolist()
        rows = []
        for slot in ended:
            y = int(self._y[slot])
            rows.append(SlotRow(slot, y, self._values[slot, :, y].numpy().astype(np.uint8), is_last=y == H - 1))
            self._x[slot], self._y[slot] = 0, y + 1
        if ended:
            self._stepper.end_rows(ended)
        for row in rows:
            if row.is_last:
                self.close(row.slot)
        return rows
