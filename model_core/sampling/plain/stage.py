"""A stage that draws in plain torch operations: from every network, on every device, in every precision."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from model_core.distribution import NOT_FINITE
from model_core.networks.pixel_network import PixelNetwork
from model_core.sampling.plain.cuda_graph import ReplayedStep
from model_core.sampling.plain.step import StaticStep
from model_core.sampling.stage import Drawing, SlotRow


class PlainStage:
    """A Stage (sampling/stage.py); on a GPU its operations are captured once and replayed."""

    @staticmethod
    def can(network: PixelNetwork, device: torch.device) -> bool:
        """Always."""
        return True

    @staticmethod
    def numerics(device: torch.device) -> str:
        return f"{device.type}-torch"

    @staticmethod
    def slot_bytes(network: PixelNetwork) -> int:
        """Seen on a step for one image."""
        return StaticStep(network, slots=1).slot_bytes

    def __init__(self, network: PixelNetwork, slots: int) -> None:
        device = network.input.bias.device
        config = network.config
        self._height, self._row_shape = config.height, (slots, config.channels, config.width)
        self._step = StaticStep(network, slots)
        self._run: Callable[[], Tensor] = ReplayedStep(self._step, device) if device.type == "cuda" else self._step
        self._passes: dict[int, _Pass] = {}

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none."""
        self._take_up(slot, drawing)
        self._step.stepper.open(slot, drawing.condition)
        self._begin(slot, 0, drawing.given_rows or self._height)

    def fork(self, source: int, target: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none, after its given rows: they and the condition are those of `source`,
        which has just finished the last of them."""
        self._take_up(target, drawing)
        self._step.stepper.fork(source, target)
        self._begin(target, drawing.given_rows, self._height)

    def _take_up(self, slot: int, drawing: Drawing) -> None:
        step = self._step
        step.noise[slot] = drawing.noise
        step.temperature[slot] = drawing.temperature
        step.keep[slot] = False
        if drawing.keep is not None and drawing.known is not None:
            step.keep[slot] = drawing.keep
            step.values[slot] = drawing.known

    def _begin(self, slot: int, first: int, end: int) -> None:
        self._passes[slot] = _Pass(first, end)
        self._step.schedule.begin(slot, first, end)

    def close(self, slot: int) -> None:
        """Stop drawing the image in a slot, if there is one."""
        if self._passes.pop(slot, None) is not None:
            self._step.schedule.begin(slot, 0, 0)

    def image(self, slot: int) -> Tensor:
        """(C, H, W) values drawn so far, on the CPU."""
        return self._step.values[slot].cpu()

    def step(self) -> list[SlotRow]:
        """Advance every image until at least one row is complete; returns the rows that are.

        Raises FloatingPointError when the network gives logits that are not finite.
        """
        rows: list[SlotRow] = []
        while self._passes and not rows:
            report = self._run()
            if not report[0]:
                raise FloatingPointError(NOT_FINITE)
            values = report[1:].view(self._row_shape).numpy()
            ended = [(slot, y) for slot in list(self._passes) if (y := self._ended_row(slot)) is not None]
            rows = [SlotRow(slot, y, values[slot].copy(), is_last=y == self._height - 1) for slot, y in ended]
        return rows

    def _ended_row(self, slot: int) -> int | None:
        """Which row of this slot the step just done completed, if it did; what comes after it is begun."""
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
    """Rows first..end-1 of an image, drawn in one wave. Given rows are a wave of their own: the state after the last of
    them is one that others can take over."""

    first: int
    end: int
    steps: int = 0
