"""Draw fields, pictures that are taller than the network's images, on a stage, window
by window: the rows that are already drawn are given to the next window, in the same
slot.

This stands before a stage and has the same methods. A drawing without windows is passed
on unchanged.
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
    """A field that is being drawn.

    values: (C, H, W); its rows before `next` are final.
    next: the next row to be drawn.
    window: the window in which that row is drawn.
    """

    drawing: Drawing
    windows: Windows
    values: NDArray[np.int64]
    next: int
    window: Window
    log_p: float = 0.0
    """ln p of the weighed pixels of the windows that are complete."""


class WindowedStage:
    """A stage that also draws fields: images taller than the stage's, of which each
    window is drawn given the rows above it. Slots are numbered as in the stage."""

    def __init__(self, stage: SharedPrefill) -> None:
        """stage: used by nothing else."""
        self._stage = stage
        self._fields: dict[int, _Field] = {}
        # Given rows above the windows in which fields begin, since the last step.
        self._rows: list[SlotRow] = []

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image or a field in a slot that has none."""
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
        """Begin the current window of a field in its slot; the rows that are already
        drawn are given in it."""
        field = self._fields[slot]
        whole = field.drawing
        top, _, end = field.window
        C, _, W = field.values.shape
        H = field.windows.height
        noise = torch.zeros(H, W, C, dtype=torch.float64)
        known = torch.zeros(C, H, W, dtype=torch.int64)
        keep = torch.zeros(H, W, dtype=torch.bool)
        noise[: end - top] = whole.noise[top:end]
        known[:, : end - top] = torch.from_numpy(field.values[:, top:end])
        if whole.keep is not None:
            keep[: end - top] = whole.keep[top:end]
        keep[: field.next - top] = True
        weighed = None
        if whole.weighed is not None:
            weighed = torch.zeros(H, W, dtype=torch.bool)
            # The rows before these were weighed in the window above.
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
        """Stop drawing the image or field in a slot, if there is one."""
        self._fields.pop(slot, None)
        self._rows = [row for row in self._rows if row.slot != slot]
        self._stage.close(slot)

    def log_p(self, slot: int) -> float:
        """Return ln p of the weighed pixels of an image, or of a field whose last row
        the last step returned."""
        if slot in self._fields:
            return self._fields[slot].log_p
        return self._stage.log_p(slot)

    def image(self, slot: int) -> Tensor:
        """Return the values (C, H, W) of the image in a slot, which is no field; pixels
        that are not drawn yet have any value."""
        return self._stage.image(slot)

    def step(self) -> list[SlotRow]:
        """Advance every image, and return the rows that became final; those of fields
        are numbered from the top of the field. The list may be empty.

        Raises FloatingPointError if logits are not finite.
        """
        rows, self._rows = self._rows, []
        for row in self._stage.step():
            if row.slot not in self._fields:
                rows.append(row)
            elif (new := self._new_row(row)) is not None:
                rows.append(new)
        return rows

    def _new_row(self, row: SlotRow) -> SlotRow | None:
        """Return a row of a window as a row of its field; None if the window above has
        already given it. Begin the next window after the last row of one."""
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
