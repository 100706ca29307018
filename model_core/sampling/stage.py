"""A stage: one network that draws images side by side, each in a numbered slot and at
rows of its own. It knows slots and pixels, but not who requested an image.

    Drawing     everything from which one image is drawn
    SlotRow     a row of a slot that has become final
    Stage       what all kinds provide; stages.py chooses the first that can draw
        BlockStage       blocks/     on a GPU
        CompiledStage    compiled/   on a CPU, in one thread
        ThreadedStage    compiled/   on a CPU, in several threads
        PlainStage       plain.py    by whole passes, for every network

An image of a Multi-Scale model passes through two stages, one after the other; every
other image through one.
"""

from collections.abc import Sequence
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

Slots = Sequence[int] | NDArray[np.int64]
"""Numbers of several slots."""


@dataclass(frozen=True)
class Drawing:
    """Everything from which one image is drawn. H and W are the image's height and
    width, C its number of colours; for a field (see windows) they are the field's.

    noise: (H, W, C), float64 in [0, 1).
    temperature: divides the logits of all probabilities; 1 is the network's own.
    known, keep: values (C, H, W), int64, and bool (H, W), True where a value is given
        and taken from `known`; both None if none are given.
    condition: the conditioning map (H, W, c) of a network that reads one, or None.
    label: index of the label of a network with labels, in place of a condition.
    """

    noise: Tensor
    temperature: float
    known: Tensor | None = None
    keep: Tensor | None = None
    condition: Tensor | None = None
    label: int | None = None
    weighed: Tensor | None = None
    """Bool (H, W): the weighed pixels, given or drawn, whose ln p is added up; None for
    none."""
    coder: Coder | None = None
    """A range coder in place of the noise: values that would be drawn are decoded, and
    given values that are weighed are encoded. PlainStage does not support it."""
    end: int | None = None
    """Number of rows that are drawn, from the top; None for all."""
    windows: Windows | None = None
    """The windows of a field, a picture taller or wider than the network's images; None
    for any other image. Only Drawings accepts them, which gives a stage one window after
    the other."""

    def with_noise(self, noise: Tensor, label: int | None) -> "Drawing":
        """Return a drawing of another image with this noise (H, W, C) and label that is
        otherwise the same; tensors are shared."""
        # The copy keeps `given_rows`, which takes time to count.
        _ = self.given_rows
        other = object.__new__(Drawing)
        vars(other).update(vars(self), noise=noise, label=label)
        return other

    @cached_property
    def given_rows(self) -> int:
        """Number of leading rows that are given whole and contain no weighed pixel;
        never the last row, so that something is left to draw."""
        if self.keep is None:
            return 0
        passed = (
            self.keep[:-1]
            if self.weighed is None
            else self.keep[:-1] & ~self.weighed[:-1]
        )
        return [*passed.all(1).tolist(), False].index(False)


def condition_of(network: PixelNetwork, drawing: Drawing) -> Tensor | None:
    """Return the conditioning map (H, W, c) that biases the network's layers at each
    pixel: the drawing's condition, or its label, one-hot, at every pixel, on the
    network's device. None if it has neither."""
    if drawing.label is None:
        return drawing.condition
    config, label = (
        network.config,
        torch.tensor([drawing.label], device=network.input.bias.device),
    )
    return network.of_labels(label).flatten().expand(config.height, config.width, -1)


class SlotRow(NamedTuple):
    """A row of the image in a slot that will not change any more.

    values: (C, W), 0..V-1.
    is_last: True if it is the last row of the image.
    """

    slot: int
    y: int
    values: NDArray[np.uint8]
    is_last: bool


class ByOneSlot:
    """Base class of stages that handle one slot at a time. Its methods do what Stage
    says by calling the methods for one slot."""

    def open_all(
        self: "Stage", slots: Sequence[int], drawings: Sequence[Drawing]
    ) -> None:
        """Open several slots, one after the other."""
        for slot, drawing in zip(slots, drawings, strict=True):
            self.open(slot, drawing)

    def fork_all(
        self: "Stage", source: int, targets: Sequence[int], drawings: Sequence[Drawing]
    ) -> None:
        """Fork one slot into several, one after the other."""
        for target, drawing in zip(targets, drawings, strict=True):
            self.fork(source, target, drawing)

    def advance(
        self: "Stage", slots: Sequence[int], y: int, x: int
    ) -> NDArray[np.float64]:
        """Hold these slots at (y, x), and draw until every image is held or complete.
        Return `log_p` of these slots, (N, H)."""
        for slot in slots:
            self.hold(slot, y, x)
        while self.step():
            pass
        return np.stack([self.log_p(slot) for slot in slots])

    def images(self: "Stage", slots: Sequence[int]) -> NDArray[np.int64]:
        """Return the images in these slots."""
        return np.stack([self.image(slot).numpy() for slot in slots])


class Stage(Protocol):
    """One network that draws up to `slots` images side by side. Each image has a slot,
    numbered from 0, and is at a row of its own.

    What is drawn in a slot depends only on the drawing and on the weights, not on other
    slots. One thread at a time calls the methods. They raise FloatingPointError if
    logits are not finite, and torch.AcceleratorError if a GPU fails.
    """

    numerics: ClassVar[str]
    """Name of the arithmetic with which it draws: `cpu-compiled` or `cpu-pass`. Stages
    of the same name draw the same bytes."""

    stops_within_rows: ClassVar[bool]
    """True if an image can be held within a row, not only at its end."""

    keeps_closed: ClassVar[bool]
    """True if a slot keeps its state after it is closed, so that other images can be
    forked from it."""

    @staticmethod
    def logits(
        network: PixelNetwork, images: NDArray[np.int64], label: int | None = None
    ) -> NDArray[np.floating]:
        """Return the logits (N, V, C, H, W) of whole images (N, C, H, W), computed with
        the arithmetic of this stage. PlainStage returns logits that are not finite as
        they are.

        label: index of the label of all images, in a network with labels.
        """
        ...

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        """Make the arrays of all slots, without an image."""
        ...

    @staticmethod
    def can(network: PixelNetwork, device: torch.device) -> bool:
        """Return True if this kind of stage can draw from a network whose weights are
        on this device."""
        ...

    @staticmethod
    def slot_bytes(network: PixelNetwork) -> int:
        """Return the bytes that each additional slot adds to the arrays."""
        ...

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none. Nothing is drawn yet."""
        ...

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        """Begin an image in the slot `target`, which has none, after its given rows,
        with a copy of the state of the image in `source`.

        Both images have the same given rows and the same condition or label. The image
        in `source` has just finished the last of these rows, or had when its slot was
        closed.
        """
        ...

    def open_all(self, slots: Sequence[int], drawings: Sequence[Drawing]) -> None:
        """Do as `open` for each of several slots, at least one, and its drawing. The
        drawings differ only in noise and label, and have no range coder; what they
        share is stored once."""
        ...

    def fork_all(
        self, source: int, targets: Sequence[int], drawings: Sequence[Drawing]
    ) -> None:
        """Do as `fork` for each of several slots `targets`, at least one, and its
        drawing. The drawings differ only in noise."""
        ...

    def close(self, slot: int) -> None:
        """Stop drawing the image in a slot; do nothing if there is none."""
        ...

    def hold(self, slot: int, y: int, x: int) -> None:
        """Stop the image in a slot, in later steps, before row y, column x: only the
        rows above y and the first x pixels of row y are drawn; x = W means all of row
        y. A later call moves the stop further."""
        ...

    def advance(self, slots: Sequence[int], y: int, x: int) -> NDArray[np.float64]:
        """Hold the images in `slots` at row y, column x. Then advance all images, also
        those in other slots, until each is where it is held, or complete. Return
        `log_p` of these slots, (N, H)."""
        ...

    def copy(self, sources: Slots, targets: Slots) -> None:
        """Give each image in `targets` the state of the image at the same place in
        `sources`, at least one, including its values before the stop. All are held at
        the same pixel, and no slot is in both. An image keeps its own noise and the
        pixels given to it after the stop."""
        ...

    def log_p(self, slot: int) -> NDArray[np.float64]:
        """Return ln p of the weighed pixels that an image has passed, in nats, summed
        for each row: (H,), a copy."""
        ...

    def image(self, slot: int) -> Tensor:
        """Return the values (C, H, W) of the image in a slot, on the CPU. Pixels that
        are not drawn yet have arbitrary values. Later steps may change the result."""
        ...

    def images(self, slots: Sequence[int]) -> NDArray[np.int64]:
        """Return a copy of the values (N, C, H, W) drawn so far in several slots;
        pixels that are not drawn yet have any value."""
        ...

    def step(self) -> list[SlotRow]:
        """Advance every image until at least one row is complete, and return the
        complete rows. With its last row an image is closed. The list is empty if no
        image can go on; if fields are drawn, also now and then before, because a step
        ends after PIECE pixels of wide rows."""
        ...
