"""Work through given rows only once if several images begin with the same ones: the
first image does it, and the others take over its state.

This stands before a stage and has the same methods. So n completions of one picture, or
n attempts to resume one image, cost one such pass (a prefill) if they are drawn
together. A stage with spare slots keeps the last few states for images that come later.
"""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from model_core.sampling.stage import Drawing, SlotRow, Stage

Key = tuple[int, bytes]
"""Number of leading rows that are given whole, and a digest of everything that the
state after them depends on."""


class SharedPrefill:
    """A stage in which images that begin with the same given rows (and have the same
    label or condition) wait for the first of them, their leader, and then continue from
    its state. So these rows are worked through only once.

    Slots, the numbered places for one image each, are those of the stage beneath. An
    image that waits is not in that stage yet: `log_p` and `image` of its slot are those
    of the slot's former image, or raise KeyError if a ThreadedStage never had one
    there. If the stage draws on a card, the methods raise torch.AcceleratorError if the
    card fails.
    """

    def __init__(self, stage: Stage, spare: Sequence[int] = ()) -> None:
        """Wrap a stage, which nothing else uses.

        spare: slots of the stage that no image gets. In them the states after given
            rows are kept, those that were used last, for images that come later. Empty
            for a stage whose closed slots do not keep their state (Stage.keeps_closed).
        """
        self._stage = stage
        self._leader_of: dict[Key, int] = {}
        # By slot: images that are working through their given rows.
        self._leaders: dict[int, tuple[Key, Drawing]] = {}
        # By the leader's slot: slot and drawing of each image that waits for it.
        self._followers: dict[int, list[tuple[int, Drawing]]] = {}
        # The slots of kept states; the state that was used last comes last.
        self._kept: dict[Key, int] = {}
        self._spare = list(spare)
        # Given rows of images that took over a state since the last step.
        self._rows: list[SlotRow] = []

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none. If a state after the same given rows
        is kept, it is taken over at once, and the next `step` returns these rows. Else,
        if another image is working through the same given rows, this one waits for it.
        Otherwise it begins in the stage.

        A stage in plain torch raises AssertionError for a drawing with a range coder.
        """
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

    def close(self, slot: int) -> None:
        """Stop drawing the image in a slot, or waiting; do nothing if there is none. Of
        images that wait for its given rows, the first becomes the leader of the
        others."""
        for waiting in self._followers.values():
            waiting[:] = [
                (follower, drawing) for follower, drawing in waiting if follower != slot
            ]
        self._rows = [row for row in self._rows if row.slot != slot]
        self._stage.close(slot)
        for follower, drawing in self._released(slot):
            self.open(follower, drawing)

    def log_p(self, slot: int) -> float:
        """Return ln p of the weighed pixels that an image has passed, summed over its
        rows."""
        # Rounded once, so that the engine in JavaScript gives the same bits.
        return math.fsum(self._stage.log_p(slot))

    def image(self, slot: int) -> Tensor:
        """Return the values (C, H, W) of the image in a slot; pixels that are not drawn
        yet have any value. It may be a view, which later steps change."""
        return self._stage.image(slot)

    def step(self) -> list[SlotRow]:
        """Advance every image that does not wait, and return the rows that became
        final. All given rows of an image that took over a state are returned at once.
        With its last row an image is closed.

        Raises FloatingPointError if logits are not finite.
        """
        rows = self._rows + self._stage.step()
        self._rows = []
        for row in list(rows):
            if row.slot in self._leaders and row.y == self._leaders[row.slot][0][0] - 1:
                self._keep(row.slot)
                for slot, drawing in self._released(row.slot):
                    self._take_over(row.slot, slot, drawing)
        rows += self._rows
        self._rows = []
        return rows

    def _take_over(self, source: int, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot with the state of the slot `source`, after its given
        rows."""
        self._stage.fork(source, slot, drawing)
        self._rows += _given_rows(slot, drawing)

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
    """Return the given rows of an image as rows of its slot."""
    assert drawing.known is not None
    given = drawing.known[:, : drawing.given_rows].numpy().astype(np.uint8)
    return [SlotRow(slot, y, given[:, y], is_last=False) for y in range(given.shape[1])]
