"""A stage: one network drawing images side by side, each slot at its own rows. Knows slots and pixels, not who asked.

A Multi-Scale model is drawn from with two stages, one after the other, every other model with one. blocks/, compiled/
and plain/ have the three ways of drawing; engine.py takes the first that can.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, NamedTuple, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.compiled.range_coder import Coder
from model_core.networks.pixel_network import PixelNetwork
from model_core.windows import Windows


@dataclass(frozen=True)
class Drawing:
    """Everything that one image is drawn from: noise (H, W, C); known (C, H, W) values where keep (H, W); condition (H,
    W, c), or for a network with labels, its label."""

    noise: Tensor
    temperature: float
    known: Tensor | None = None
    keep: Tensor | None = None
    condition: Tensor | None = None
    label: int | None = None
    weighed: Tensor | None = None
    """(H, W) pixels, given or drawn, of which ln p is asked for."""
    coder: Coder | None = None
    """Stands in the place of the noise: what is drawn is decoded, and what is weighed is encoded. The plain stage has
    none."""
    end: int | None = None
    """The row before which it ends; None: all are drawn."""
    windows: Windows | None = None
    """The windows of a field, which no stage draws as it is: see windowed.py."""

    @cached_property
    def given_rows(self) -> int:
        """How many of the leading rows are given whole, without a weighed pixel; the last row is never counted, so that
        one is left to do."""
        if self.keep is None:
            return 0
        passed = (
            self.keep[:-1]
            if self.weighed is None
            else self.keep[:-1] & ~self.weighed[:-1]
        )
        return [*passed.all(1).tolist(), False].index(False)


def condition_of(network: PixelNetwork, drawing: Drawing) -> Tensor | None:
    """The map (H, W, c) that biases the network's layers at each pixel of an image, if one does."""
    if drawing.label is None:
        return drawing.condition
    config, label = (
        network.config,
        torch.tensor([drawing.label], device=network.input.bias.device),
    )
    return network.of_labels(label).flatten().expand(config.height, config.width, -1)


class SlotRow(NamedTuple):
    """Row y of the image in a slot is final: (C, W) values."""

    slot: int
    y: int
    values: NDArray[np.uint8]
    is_last: bool


class Stage(Protocol):
    """One network with `slots` slots. What it draws in a slot depends on the drawing and the weights alone."""

    numerics: ClassVar[str]
    """Name of the arithmetic with which it draws: `cpu-compiled` or `cpu-torch`."""

    stops_within_rows: ClassVar[bool]
    """An image can be held in the midst of a row."""

    keeps_closed: ClassVar[bool]
    """A slot stays as it is once it is closed, so that others can be forked from it."""

    @staticmethod
    def logits(
        network: PixelNetwork, images: NDArray[np.int64], label: int | None = None
    ) -> NDArray[np.floating]:
        """Logits (N, V, C, H, W) of whole images (N, C, H, W), in the arithmetic with which the stage draws."""
        ...

    def __init__(self, network: PixelNetwork, slots: int) -> None: ...

    @staticmethod
    def can(network: PixelNetwork, device: torch.device) -> bool:
        """Can it draw from this network on this device?"""
        ...

    @staticmethod
    def slot_bytes(network: PixelNetwork) -> int:
        """Bytes that each further slot adds to its arrays."""
        ...

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none."""
        ...

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none, after its given rows: they and the condition or label are those of
        `source`, which has just finished the last of them, or had when it was closed."""
        ...

    def close(self, slot: int) -> None:
        """Stop drawing the image in a slot, if there is one."""
        ...

    def hold(self, slot: int, y: int, x: int) -> None:
        """Draw the image in a slot up to row y, column x (W: to the row's end), and no further."""
        ...

    def copy(self, source: int, target: int) -> None:
        """Let the image in a slot go on from where another one is, both held at the same place; what is given to it and
        its noise stay."""
        ...

    def log_p(self, slot: int) -> NDArray[np.float64]:
        """(H,) ln p of the weighed pixels that an image has passed, of each row."""
        ...

    def image(self, slot: int) -> Tensor:
        """(C, H, W) values drawn so far, on the CPU."""
        ...

    def step(self) -> list[SlotRow]:
        """Advance every image until at least one row is complete; returns the rows that are. Of fields it may be none.

        Raises FloatingPointError when the network gives logits that are not finite.
        """
        ...
