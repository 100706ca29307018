"""The images and fields that one stage draws, each in a slot of the stage.

Two things are done here because they concern a whole drawing, and not its arithmetic:

- Given rows are worked through once if several images begin with the same ones (and
  have the same label or condition). The first image, their leader, works through them;
  the others wait, and then take over its state. So n completions of one picture, or n
  attempts to resume one image, cost one such pass, a prefill. In the spare slots of the
  stage the last few states are kept for images that come later.
- A field, a picture taller than the network's images, is drawn window by window, all in
  the same slot. The rows that are already final are given to the next window.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from model_core.sampling.stage import Drawing, SlotRow, Stage
from model_core.windows import Window, Windows

Key = tuple[int, bytes]
"""Number of leading rows that are given whole, and a digest of everything that the
state after them depends on."""


@dataclass
class _Field:
    """A field that is being drawn.

    values: (C, H, W); its rows before `next` are final.
    next: the next row to be drawn.
    window: the window in which that row is drawn.
    log_p: ln p of the weighed pixels of the windows that are complete.
    """

    drawing: Drawing
    windows: Windows
    values: NDArray[np.int64]
    next: int
    window: Window
    log_p: float = 0.0


class Drawings:
    """The images and fields in the slots of a stage. A field is a drawing with
    `windows`, taller or wider than the network's images; its noise, known, keep and
    weighed have the field's rows.

    An image that begins with the same given rows as another one may wait for that one's
    state. Until then it is not in the stage, and `log_p` and `image` of its slot are
    meaningless.
    """

    def __init__(self, stage: Stage, spare: Sequence[int] = ()) -> None:
        """stage: nothing else uses it.
        spare: slots of the stage that no image gets, in which the states after given
            rows are kept for later images. Empty for a stage whose closed slots do not
            keep their state (Stage.keeps_closed)."""
        self._stage = stage
        self._fields: dict[int, _Field] = {}
        # Rows since the last step: those given above the first window of a field, and
        # the given rows of images that took over a state.
        self._above: list[SlotRow] = []
        self._taken: list[SlotRow] = []
        self._leader_of: dict[Key, int] = {}
        # By slot: images that are working through their given rows.
        self._leaders: dict[int, tuple[Key, Drawing]] = {}
        # By the leader's slot: slot and drawing of each image that waits for it.
        self._followers: dict[int, list[tuple[int, Drawing]]] = {}
        # The slots of kept states; the state that was used last comes last.
        self._kept: dict[Key, int] = {}
        self._spare = list(spare)

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image or a field in a slot that has none."""
        if drawing.windows is None:
            self._begin(slot, drawing)
        else:
            self._open_field(slot, drawing, drawing.windows)

    def close(self, slot: int) -> None:
        """Stop drawing the image or field in a slot, or waiting; do nothing if there is
        none. Its rows that were not returned yet are lost."""
        self._fields.pop(slot, None)
        self._above = [row for row in self._above if row.slot != slot]
        self._end(slot)

    def log_p(self, slot: int) -> float:
        """Return ln p of the weighed pixels that an image has passed, in nats; of a
        field, of its complete windows."""
        if slot in self._fields:
            return self._fields[slot].log_p
        # Rounded once, so that the engine in JavaScript gives the same bits.
        return math.fsum(self._stage.log_p(slot))

    def image(self, slot: int) -> Tensor:
        """Return the values of an image that is no field; see Stage.image."""
        return self._stage.image(slot)

    def step(self) -> list[SlotRow]:
        """Advance every image and field that does not wait, and return the rows that
        became final. Rows of a field are numbered from its top. All given rows of an
        image that took over a state come at once. With its last row an image is closed,
        but its `log_p` and `image` can be read until the slot is opened again; a field
        stays until `close`.

        The list may be empty while fields are drawn.
        """
        rows, self._above = self._above, []
        for row in self._step_stage():
            if row.slot not in self._fields:
                rows.append(row)
            elif (new := self._row_of_field(row)) is not None:
                rows.append(new)
        return rows

    # Given rows that several images share.

    def _begin(self, slot: int, drawing: Drawing) -> None:
        """Begin an image, or a window of a field: with the state after the same given
        rows if it is kept, behind a leader if there is one, or else in the stage."""
        key = _key(drawing)
        if key in self._kept:
            self._kept[key] = self._kept.pop(key)
            self._take_over(self._kept[key], slot, drawing)
        elif key in self._leader_of:
            self._followers[self._leader_of[key]].append((slot, drawing))
        else:
            if key[0]:
                self._leader_of[key] = slot
                self._leaders[slot] = key, drawing
                self._followers[slot] = []
            self._stage.open(slot, drawing)

    def _end(self, slot: int) -> None:
        """End an image or a window. Of images that wait for its given rows, the first
        becomes the leader of the others."""
        for waiting in self._followers.values():
            waiting[:] = [
                (follower, drawing) for follower, drawing in waiting if follower != slot
            ]
        self._taken = [row for row in self._taken if row.slot != slot]
        self._stage.close(slot)
        for follower, drawing in self._released(slot):
            self._begin(follower, drawing)

    def _step_stage(self) -> list[SlotRow]:
        rows = self._taken + self._stage.step()
        self._taken = []
        for row in list(rows):
            if row.slot in self._leaders and row.y == self._leaders[row.slot][0][0] - 1:
                self._keep(row.slot)
                for slot, drawing in self._released(row.slot):
                    self._take_over(row.slot, slot, drawing)
        rows += self._taken
        self._taken = []
        return rows

    def _take_over(self, source: int, slot: int, drawing: Drawing) -> None:
        """Begin an image after its given rows, with the state of the slot `source`."""
        self._stage.fork(source, slot, drawing)
        self._taken += _given_rows(slot, drawing)

    def _keep(self, leader: int) -> None:
        """Keep a copy of a leader's state, in a spare slot or in place of the state
        that was not used for longest."""
        key, drawing = self._leaders[leader]
        if self._spare:
            place = self._spare.pop()
        elif self._kept:
            place = self._kept.pop(next(iter(self._kept)))
        else:
            return
        self._stage.fork(leader, place, drawing)
        self._stage.close(place)
        self._kept[key] = place

    def _released(self, leader: int) -> list[tuple[int, Drawing]]:
        """Return the images that wait for a leader, which is a leader no more."""
        if (leading := self._leaders.pop(leader, None)) is not None:
            del self._leader_of[leading[0]]
        return self._followers.pop(leader, [])

    # Fields.

    def _open_field(self, slot: int, drawing: Drawing, windows: Windows) -> None:
        H, W, C = drawing.noise.shape
        values = np.zeros((C, H, W), np.int64)
        if drawing.known is not None:
            values[:] = drawing.known
        window = windows.drawing(drawing.given_rows)
        above = values[:, : window.top].astype(np.uint8)
        self._above += [
            SlotRow(slot, y, above[:, y], is_last=False) for y in range(window.top)
        ]
        self._fields[slot] = _Field(drawing, windows, values, window.top, window)
        self._open_window(slot)

    def _open_window(self, slot: int) -> None:
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
        window = replace(
            whole,
            noise=noise,
            known=known,
            keep=keep,
            weighed=weighed,
            end=end - top,
            windows=None,
        )
        self._begin(slot, window)

    def _row_of_field(self, row: SlotRow) -> SlotRow | None:
        """Return a row of a window as a row of its field; None if the window above has
        already given it. Begin the next window after the last row of one."""
        field = self._fields[row.slot]
        y = field.window.top + row.y
        if y < field.next:
            return None
        field.values[:, y] = row.values
        field.next = y + 1
        is_last = field.next == field.windows.rows
        if field.next == field.window.end:
            field.log_p += math.fsum(self._stage.log_p(row.slot))
            self._end(row.slot)
            if not is_last:
                field.window = field.windows.drawing(field.next)
                self._open_window(row.slot)
        return SlotRow(row.slot, y, row.values, is_last)


def _key(drawing: Drawing) -> Key:
    """Return the key of a drawing; the first part is 0 if no leading row is given."""
    count = drawing.given_rows
    digest = hashlib.blake2b(digest_size=16)
    if count and drawing.known is not None:
        for part in (drawing.known[:, :count], drawing.condition):
            digest.update(b"" if part is None else part.cpu().numpy().tobytes())
        digest.update(str(drawing.label).encode())
    return count, digest.digest()


def _given_rows(slot: int, drawing: Drawing) -> list[SlotRow]:
    assert drawing.known is not None
    given = drawing.known[:, : drawing.given_rows].numpy().astype(np.uint8)
    return [SlotRow(slot, y, given[:, y], is_last=False) for y in range(given.shape[1])]
