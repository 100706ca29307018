"""What a stage is asked for, and what it answers. Knows no way of drawing."""

from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


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


class SlotRow(NamedTuple):
    """Row y of the image in a slot is final: (C, W) values."""

    slot: int
    y: int
    values: NDArray[np.uint8]
    is_last: bool


class ForkingStage(Protocol):
    """Stage, as far as it is used here."""

    def open(self, slot: int, drawing: Drawing) -> None: ...
    def fork(self, source: int, target: int, drawing: Drawing) -> None: ...
    def close(self, slot: int) -> None: ...
    def image(self, slot: int) -> Tensor: ...
    def step(self) -> list[SlotRow]: ...
