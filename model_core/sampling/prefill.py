"""Images that begin with the same given rows work them off once: the first does, the others take over its state.

Stands before a stage, with the same words. A completion of n images, or an image that is resumed n times, costs one
prefill for as many as are seated together; and where a stage has slots to spare, the last few states stay there for
images that come later.
"""

import hashlib
import math
from collections.abc import Sequence

import numpy as np
from torch import Tensor

from model_core.sampling.stage import Drawing, SlotRow, Stage

Key = tuple[int, bytes]
"""How many leading rows are given, and a digest of what state they lead to."""


class SharedPrefill:
    """A stage whose slots wait for one another where their images begin alike.

    spare: slots of the stage that nobody else uses, to keep states in. Only where a slot stays as it is once it is
    closed.
    """

    def __init__(self, stage: Stage, spare: Sequence[int] = ()) -> None:
        self._stage = stage
        self._leader_of: dict[Key, int] = {}
        self._leaders: dict[
            int, tuple[Key, Drawing]
        ] = {}  # those that are in their given rows
        self._followers: dict[int, list[tuple[int, Drawing]]] = {}
        self._kept: dict[
            Key, int
        ] = {}  # where states stay; the one that was used last comes last
        self._spare = list(spare)
        self._rows: list[
            SlotRow
        ] = []  # given rows of images that took over a state since the last step

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none; it may wait until another one's given rows are worked off."""
        key = _key(drawing)
        if key in self._kept:
            self._kept[key] = self._kept.pop(key)
            self._take_over(self._kept[key], slot, drawing)
        elif key in self._leader_of:
            self._followers[self._leader_of[key]].append((slot, drawing))
        else:
            if key[0]:
                self._leader_of[key], self._leaders[slot], self._followers[slot] = (
                    slot,
                    (key, drawing),
                    [],
                )
            self._stage.open(slot, drawing)

    def close(self, slot: int) -> None:
        """Stop drawing the image in a slot, if there is one; those that wait for it go on without."""
        for waiting in self._followers.values():
            waiting[:] = [
                (follower, drawing) for follower, drawing in waiting if follower != slot
            ]
        self._rows = [row for row in self._rows if row.slot != slot]
        self._stage.close(slot)
        for follower, drawing in self._released(slot):
            self.open(follower, drawing)

    def log_p(self, slot: int) -> float:
        """ln p of the weighed pixels that an image has passed."""
        # rounded once, so that the engine in JavaScript finds the same bits
        return math.fsum(self._stage.log_p(slot))

    def image(self, slot: int) -> Tensor:
        """(C, H, W) values drawn so far."""
        return self._stage.image(slot)

    def step(self) -> list[SlotRow]:
        """Rows of the stage's next step; the given rows of those that waited come all at once."""
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
        self._stage.fork(source, slot, drawing)
        self._rows += _given_rows(slot, drawing)

    def _keep(self, leader: int) -> None:
        """A copy of its state, in the place of the one that was not used for longest."""
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
        """Release those that waited for it; it leads no more."""
        if (leading := self._leaders.pop(leader, None)) is not None:
            del self._leader_of[leading[0]]
        return self._followers.pop(leader, [])


def _key(drawing: Drawing) -> Key:
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
