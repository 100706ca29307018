"""Fields on a stage, window by window: the rows that are drawn are given to the next window, in the same slot.

Stands before a stage, with the same words; a drawing without windows passes it as it is.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.sampling.prefill import SharedPrefill
from model_core.sampling.stage import Drawing, SlotRow
from model_core.windows import Window, Windows


@dataclass
class _Field:
    """A field on its way: values (C, H, W) of its rows before `next`, which is drawn in `window`."""

    drawing: Drawing
    windows: Windows
    values: NDArray[np.int64]
    next: int
    window: Window
    log_p: float = 0.0
    """ln p of the weighed pixels of the windows that are done."""


class WindowedStage:
    """A stage whose drawings may be taller than its network's images."""

    def __init__(self, stage: SharedPrefill) -> None:
        self._stage = stage
        self._fields: dict[int, _Field] = {}
        self._rows: list[
            SlotRow
        ] = []  # given rows above the windows in which fields begin

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none."""
        if drawing.windows is None:
            self._stage.open(slot, drawing)
            return
        H, W, C = drawing.noise.shape
        values = (
            np.zeros((C, H, W), np.int64)
            if drawing.known is None
            else drawing.known.numpy().copy()
        )
        window = drawing.windows.drawing(drawing.given_rows)
        above = values[:, : window.top].astype(np.uint8)
        self._rows += [
            SlotRow(slot, y, above[:, y], is_last=False) for y in range(window.top)
        ]
        self._fields[slot] = _Field(
            drawing, drawing.windows, values, window.top, window
        )
        self._open_window(slot)

    def _open_window(self, slot: int) -> None:
        """The rows of a window that are drawn already are given in it."""
        field, whole = self._fields[slot], self._fields[slot].drawing
        top, _, end = field.window
        C, _, W = field.values.shape
        H = field.windows.height
        noise = torch.zeros(H, W, C, dtype=torch.float64)
        known, keep = (
            torch.zeros(C, H, W, dtype=torch.int64),
            torch.zeros(H, W, dtype=torch.bool),
        )
        noise[: end - top], known[:, : end - top] = (
            whole.noise[top:end],
            torch.from_numpy(field.values[:, top:end]),
        )
        if whole.keep is not None:
            keep[: end - top] = whole.keep[top:end]
        keep[: field.next - top] = True
        weighed = None
        if whole.weighed is not None:
            weighed = torch.zeros(H, W, dtype=torch.bool)
            # the rows before were weighed in the window above
            first = field.next - top
            weighed[first : end - top] = whole.weighed[field.next : end]
        self._stage.open(
            slot,
            replace(
                whole,
                noise=noise,
                known=known,
                keep=keep,
                weighed=weighed,
                end=end - top,
                windows=None,
            ),
        )

    def close(self, slot: int) -> None:
        """Stop drawing the image in a slot, if there is one."""
        self._fields.pop(slot, None)
        self._rows = [row for row in self._rows if row.slot != slot]
        self._stage.close(slot)

    def log_p(self, slot: int) -> float:
        """ln p of the weighed pixels of an image that is done; of a field that ended
        with the last step, of all its windows."""
        if slot in self._fields:
            return self._fields[slot].log_p
        return self._stage.log_p(slot)

    def image(self, slot: int) -> Tensor:
        """(C, H, W) values drawn so far, of an image."""
        return self._stage.image(slot)

    def step(self) -> list[SlotRow]:
        """Rows of the stage's next step; those of fields with their own number."""
        rows, self._rows = self._rows, []
        for row in self._stage.step():
            if row.slot not in self._fields:
                rows.append(row)
            elif (new := self._new_row(row)) is not None:
                rows.append(new)
        return rows

    def _new_row(self, row: SlotRow) -> SlotRow | None:
        """A window's row as one of its field; None where it came in the window before."""
        field = self._fields[row.slot]
        y = field.window.top + row.y
        if y < field.next:
            return None
        field.values[:, y], field.next = row.values, y + 1
        is_last = field.next == field.windows.rows
        if field.next == field.window.end:
            field.log_p += self._stage.log_p(row.slot)
            self._stage.close(row.slot)
            if not is_last:
                field.window = field.windows.drawing(field.next)
                self._open_window(row.slot)
        return SlotRow(row.slot, y, row.values, is_last)
