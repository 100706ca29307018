"""A stage that draws in plain torch operations on the CPU: from every network, in every
precision."""

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.distribution import NOT_FINITE
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.main_memory import in_main_memory
from model_core.sampling.plain.step import StaticStep
from model_core.sampling.stage import ByOneSlot, Drawing, SlotRow, Slots, condition_of


class PlainStage(ByOneSlot):
    """A Stage (sampling/stage.py) in plain torch, the slowest one. It draws images side
    by side, each in a slot, a place with a number from 0 on. If the weights are on a
    card, it works with a copy in main memory."""

    numerics: ClassVar[str] = "cpu-torch"

    stops_within_rows: ClassVar[bool] = False
    keeps_closed: ClassVar[bool] = (
        False  # a step computes all slots, whoever is in them
    )

    @staticmethod
    def can(network: PixelNetwork, device: torch.device) -> bool:
        """Return True: it can draw from every network, wherever its weights are."""
        return True

    @staticmethod
    def slot_bytes(network: PixelNetwork) -> int:
        """Return the bytes that each additional slot adds, counted on a step for one
        image, which is made for that."""
        return StaticStep(in_main_memory(network), slots=1).slot_bytes

    @staticmethod
    def logits(
        network: PixelNetwork, images: NDArray[np.int64], label: int | None = None
    ) -> NDArray[np.floating]:
        """Return the logits (N, V, C, H, W) of images (N, C, H, W), finite or not, in
        the type of the weights; see Stage.logits.

        Raises ConfigError if the network is conditioned and there is no label,
        RuntimeError for a label that the network does not have.
        """
        network, values = in_main_memory(network), torch.from_numpy(images)
        if label is None:
            return network(values).numpy()
        labels = network.of_labels(torch.full((len(values),), label))
        return network(values, labels).numpy()

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        """Make the arrays of all slots, without an image."""
        network = in_main_memory(network)
        config = network.config
        self._height, self._row_shape = (
            config.height,
            (slots, config.channels, config.width),
        )
        self._step = StaticStep(network, slots)
        self._network = network
        self._passes: dict[int, _Pass] = {}
        self._stops: dict[int, int] = {}  # the row before which an image is held
        self._held: dict[
            int, int
        ] = {}  # the row that an image which is held would draw next

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none. Nothing is drawn yet. Raises
        AssertionError for a drawing with a range coder, which only compiled code
        supports; RuntimeError for a label that the network does not have."""
        assert drawing.coder is None, "only compiled code decodes"
        self._take_up(slot, drawing)
        self._step.stepper.open(slot, condition_of(self._network, drawing))
        self._begin(slot, 0, drawing.given_rows or self._height)

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        """Begin an image in the slot `target` with the state of the slot `source`,
        after its given rows; see Stage.fork."""
        self._take_up(target, drawing)
        self._step.stepper.fork(source, target)
        self._begin(target, drawing.given_rows, self._height)

    def _take_up(self, slot: int, drawing: Drawing) -> None:
        """Store what an image is drawn from."""
        step = self._step
        step.noise[slot] = drawing.noise
        step.temperature[slot] = drawing.temperature
        step.keep[slot] = False
        if drawing.keep is not None and drawing.known is not None:
            step.keep[slot] = drawing.keep
            step.values[slot] = drawing.known
        self._stops[slot] = drawing.end or self._height
        self._held.pop(slot, None)
        self._ask(slot, drawing.weighed)

    def _ask(self, slot: int, weighed: Tensor | None) -> None:
        """Sum ln p of these pixels (H, W) of an image; of none if it is None."""
        step = self._step
        if weighed is None and not step.weighs:
            return
        step.weighs = True
        step.log_p[slot] = 0
        step.weighed[slot] = False if weighed is None else weighed

    def hold(self, slot: int, y: int, x: int) -> None:
        """Draw the image in a slot, in later steps, up to the end of row y and no
        further; see Stage.hold. A later call moves the stop on.

        Raises AssertionError if x is not W, since a step computes several columns at
        once, or if the image is being drawn in rows that may lie after the stop.
        """
        assert x == self._row_shape[2], "a step is several columns or a row"
        self._stops[slot] = y + 1
        if slot in self._held:
            self._begin(slot, self._held.pop(slot), self._height)
        elif slot in self._passes:
            rows = self._passes[slot]
            assert rows.steps == 0, "rows after the stop may be under way"
            self._begin(slot, rows.first, rows.end)

    def copy(self, sources: Slots, targets: Slots) -> None:
        """Give each image in `targets` the state of the image at the same place in
        `sources`; see Stage.copy. Raises AssertionError if the two are not held at the
        same row, KeyError if one is not held."""
        for source, target in zip(sources, targets, strict=True):
            assert self._held[source] == self._held[target]
            y = self._held[source]
            self._step.stepper.fork(source, target)
            self._step.values[target, :, :y] = self._step.values[source, :, :y]

    def log_p(self, slot: int) -> NDArray[np.float64]:
        """Return ln p of the weighed pixels that an image has passed, summed for each
        row, (H,), as a copy."""
        return self._step.log_p[slot].numpy().copy()

    def _begin(self, slot: int, first: int, end: int) -> None:
        """Draw rows first..end-1 of a slot, or fewer if it stops before; hold it if
        that leaves none."""
        end = min(end, self._stops[slot])
        if first >= end:
            self._passes.pop(slot, None)
            self._held[slot] = first
            first = end = 0
        else:
            self._passes[slot] = _Pass(first, end)
        self._step.schedule.begin(slot, first, end)

    def close(self, slot: int) -> None:
        """Stop drawing the image in a slot; do nothing if there is none."""
        if self._passes.pop(slot, None) is not None:
            self._step.schedule.begin(slot, 0, 0)

    def image(self, slot: int) -> Tensor:
        """Return a view of the values (C, H, W) of the image in a slot, which later
        steps change; pixels that are not drawn yet have any value."""
        return self._step.values[slot]

    def step(self) -> list[SlotRow]:
        """Advance every image until at least one row is complete, and return the rows
        that are; an empty list if no image can go on. With its last row an image is
        closed.

        Raises FloatingPointError if the network gives logits that are not finite.
        """
        rows: list[SlotRow] = []
        while self._passes and not rows:
            report = self._step()
            if not report[0]:
                raise FloatingPointError(NOT_FINITE)
            values = report[1:].view(self._row_shape).numpy()
            ended = [
                (slot, y)
                for slot in list(self._passes)
                if (y := self._ended_row(slot)) is not None
            ]
            rows = [
                SlotRow(slot, y, values[slot].copy(), is_last=y == self._height - 1)
                for slot, y in ended
            ]
        return rows

    def _ended_row(self, slot: int) -> int | None:
        """Return the row of this slot that the last step completed, or None; then begin
        the rows that follow."""
        rows = self._passes[slot]
        rows.steps += 1
        y = rows.first + rows.steps - self._step.schedule.rows_at_once
        if y < rows.first:
            return None
        if y == self._height - 1:
            self.close(slot)
        elif y == rows.end - 1:
            self._begin(slot, rows.end, self._height)
        return y


@dataclass
class _Pass:
    """Rows first..end-1 of an image, drawn without an interruption. Given rows are a
    pass of their own, so that other images can take over the state after the last of
    them.

    steps: steps that were made so far.
    """

    first: int
    end: int
    steps: int = 0
