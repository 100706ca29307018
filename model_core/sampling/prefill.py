"""Images that begin with the same given rows work them off once: the first does, the others take over its state.

Stands before a stage, with the same words. A completion of n images, or an image that is resumed n times,
costs one prefill for as many as are seated together.
"""

import hashlib

import numpy as np
from torch import Tensor

from model_core.sampling.stage import Drawing, SlotRow, Stage

Key = tuple[int, bytes]
"""How many leading rows are given, and a digest of what state they lead to."""


class SharedPrefill:
    """A stage whose slots wait for one another where their images begin alike."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._leader_of: dict[Key, int] = {}
        self._keys: dict[int, Key] = {}  # of leaders that are in their given rows
        self._followers: dict[int, list[tuple[int, Drawing]]] = {}

    def open(self, slot: int, drawing: Drawing) -> None:
        """Begin an image in a slot that has none; it may wait until another one's given rows are worked off."""
        key = _key(drawing)
        if key in self._leader_of:
            self._followers[self._leader_of[key]].append((slot, drawing))
            return
        if key[0]:
            self._leader_of[key], self._keys[slot], self._followers[slot] = slot, key, []
        self._stage.open(slot, drawing)

    def close(self, slot: int) -> None:
        """Stop drawing the image in a slot, if there is one; those that wait for it go on without."""
        for waiting in self._followers.values():
            waiting[:] = [(follower, drawing) for follower, drawing in waiting if follower != slot]
        self._stage.close(slot)
        for follower, drawing in self._released(slot):
            self.open(follower, drawing)

    def image(self, slot: int) -> Tensor:
        """(C, H, W) values drawn so far."""
        return self._stage.image(slot)

    def step(self) -> list[SlotRow]:
        """As the stage's own; the given rows of those that waited come all at once."""
        rows = self._stage.step()
        for row in list(rows):
            if row.slot in self._keys and row.y == self._keys[row.slot][0] - 1:
                for slot, drawing in self._released(row.slot):
                    self._stage.fork(row.slot, slot, drawing)
                    rows += _given_rows(slot, drawing)
        return rows

    def _released(self, leader: int) -> list[tuple[int, Drawing]]:
        """Those that waited for it; it leads no more."""
        if (key := self._keys.pop(leader, None)) is not None:
            del self._leader_of[key]
        return self._followers.pop(leader, [])


def _key(drawing: Drawing) -> Key:
    count = drawing.given_rows
    digest = hashlib.blake2b(digest_size=16)
    if count and drawing.known is not None:
        for part in (drawing.known[:, :count], drawing.condition):
            digest.update(b"" if part is None else part.cpu().numpy().tobytes())
    return count, digest.digest()


def _given_rows(slot: int, drawing: Drawing) -> list[SlotRow]:
    assert drawing.known is not None
    given = drawing.known[:, : drawing.given_rows].numpy().astype(np.uint8)
    return [SlotRow(slot, y, given[:, y], is_last=False) for y in range(given.shape[1])]
