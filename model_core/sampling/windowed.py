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
    """A stage that also draws fields: pictures taller than the network's images, drawn
    window by window. A window is as tall as an image, and is drawn given the rows above
    it that are already final. A drawing with `windows` is a field, whose noise, known,
    keep and weighed have the field's rows; any other is an image.

    Slots, the numbered places for one image or field each, are those of the stage
    beneath. If that draws on a card, its methods raise torch.AcceleratorError if the
    card fails.
    """

    def __init__(self, stage: SharedPrefill) -> None:
        """Wrap a stage, which nothing else uses."""
        self._stage = stage
        self._fields: dict[int, _Field] = {}
        # Given rows above the windows in which fields begin, since the last step.
        self._rows: list[SlotRow] = []

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image or a field in a slot that has none. Rows of a field that are
        given above its first window are returned by the next `step`. A stage in plain
        torch raises AssertionError for a drawing with a range coder."""
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
        """Stop drawing the image or field in a slot; do nothing if there is none. Its
        rows that are not returned yet are lost."""
        self._fields.pop(slot, None)
        self._rows = [row for row in self._rows if row.slot != slot]
        self._stage.close(slot)

    def log_p(self, slot: int) -> float:
        """Return ln p of the weighed pixels that an image has passed; of a field, only
        of its windows that are complete, and so of all of it once `step` has returned
        its last row."""
        if slot in self._fields:
            return self._fields[slot].log_p
        return self._stage.log_p(slot)

    def image(self, slot: int) -> Tensor:
        """Return the values (C, H, W) of the image in a slot, which is no field; pixels
        that are not drawn yet have any value. It may be a view, which later steps
        change."""
        return self._stage.image(slot)

    def step(self) -> list[SlotRow]:
        """Advance every image and field, and return the rows that became final; those
        of fields are numbered from the top of the field. With its last row an image is
        closed; a field stays until `close`, so that `log_p` can be read. The list may
        be empty although images are left to draw, but only if there are fields.

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
