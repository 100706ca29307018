"""Many images at once from one network: slots, each at its own pixel; images join and leave at any step.

The bytes of an image depend on its request and the weights alone: not on who shares the batch, nor on the slot, nor on
when it joined. Knows no jobs.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.models import Model
from model_core.sampling.draw import draw
from model_core.sampling.noise import image_noise
from model_core.sampling.positions import Positions
from model_core.sampling.steppers import stepper_for


@dataclass(frozen=True)
class ImageRequest:
    """One image: noise of (seed, sample); `known` (C, H, W) values are taken where `keep` (H, W) is True."""

    seed: int
    sample: int
    temperature: float = 1.0
    known: NDArray[np.integer] | None = None
    keep: NDArray[np.bool_] | None = None


@dataclass(frozen=True)
class DrawnRow:
    """Row y of the image that `ticket` stands for is final: (C, W) values."""

    ticket: int
    y: int
    values: NDArray[np.uint8]


class Engine:
    """Draws up to `slots` images side by side, one pixel of each in every step."""

    def __init__(self, model: Model, slots: int = 16) -> None:
        config = model.config
        C, H, W = config.channels, config.height, config.width
        self._shape = C, H, W
        self._stepper = stepper_for(model, slots)
        self._scratch = slots
        self._vacant = list(range(slots - 1, -1, -1))
        self._slot_of: dict[int, int] = {}
        self._next_ticket = 0
        # One entry for every slot and, last, the scratch slot, whose pixels are computed and thrown away.
        self._y, self._x = torch.zeros(slots + 1, dtype=torch.int64), torch.zeros(slots + 1, dtype=torch.int64)
        self._values = torch.zeros(slots + 1, C, H, W, dtype=torch.int64)
        self._keep = torch.zeros(slots + 1, H, W, dtype=torch.bool)
        self._noise = torch.zeros(slots + 1, H, W, C, dtype=torch.float64)
        self._temperature = torch.ones(slots + 1, dtype=torch.float64)

    @property
    def free(self) -> int:
        """How many more images could join now."""
        return len(self._vacant)

    @property
    def busy(self) -> int:
        """How many images are being drawn."""
        return len(self._slot_of)

    def admit(self, request: ImageRequest) -> int:
        """Seat an image and return its ticket; there must be a free slot."""
        slot = self._vacant.pop()
        ticket, self._next_ticket = self._next_ticket, self._next_ticket + 1
        self._slot_of[ticket] = slot
        C, H, W = self._shape
        self._y[slot] = self._x[slot] = 0
        self._noise[slot] = torch.from_numpy(image_noise(request.seed, request.sample, H, W, C))
        self._temperature[slot] = request.temperature
        self._keep[slot] = False
        if request.keep is not None and request.known is not None:
            self._keep[slot] = torch.from_numpy(np.ascontiguousarray(request.keep))
            self._values[slot] = torch.from_numpy(request.known.astype(np.int64))
        self._stepper.open(slot)
        return ticket

    def withdraw(self, ticket: int) -> None:
        """Free the slot of an image that nobody wants any more."""
        self._vacant.append(self._slot_of.pop(ticket))

    def step(self) -> list[DrawnRow]:
        """Advance every image by one pixel; returns the rows that became final. With its last row an image leaves.

        Raises FloatingPointError when the network gives logits that are not finite.
        """
        if not self._slot_of:
            return []
        with torch.inference_mode():
            where = Positions.of(list(self._slot_of.values()), self._y, self._x, self._scratch)
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

    def _move_on(self) -> list[DrawnRow]:
        W = self._shape[2]
        ended = []
        for ticket, slot in self._slot_of.items():
            self._x[slot] += 1
            if self._x[slot] == W:
                ended.append((ticket, slot))
        return self._end_rows(ended) if ended else []

    def _end_rows(self, ended: list[tuple[int, int]]) -> list[DrawnRow]:
        H = self._shape[1]
        rows = []
        for ticket, slot in ended:
            y = int(self._y[slot])
            rows.append(DrawnRow(ticket, y, self._values[slot, :, y].numpy().astype(np.uint8)))
            self._x[slot] = 0
            self._y[slot] = y + 1
        self._stepper.end_rows([slot for _, slot in ended])
        for row in rows:
            if row.y == H - 1:
                self.withdraw(row.ticket)
        return rows
