"""Which models are removed from memory, and when.

Replaced or deleted weights are unloaded once no job has used them for a while. If the
pool is full, they are unloaded at once, and after them the added models that were used
least recently; the next job for one of these loads it again. Shipped models stay.

The engine process proposes and the worker decides, because the worker must not lose a
model between looking at a job and sending its order. So unloading takes three steps:
it reports `unloadable`; the worker forgets the model's name there and
sends `unload`; and by then all orders that it had sent before have arrived. Proposals
are numbered: an answer counts only if the engine process has reported nothing else about the
model since.
"""

import itertools
import time
from collections.abc import Callable, Collection, Mapping

from worker.engine.model_pool import ModelPool

REST_S = 60.0
"""Seconds for which replaced or deleted weights stay after their last use: jobs that
were accepted for them may still come."""
FRESH_S = 5.0
"""Seconds for which a model stays that was loaded for a job, unless it is used sooner:
otherwise jobs for two models could unload each other's model before either is drawn."""


class Unloading:
    """Knows when each model was last used, and proposes models to unload. Models have
    their names in this process. Only the drawing thread uses it."""

    def __init__(
        self,
        pool: ModelPool,
        is_added: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """is_added: returns True if the model of this name was added, so that it can be
        loaded again.
        clock: seconds."""
        self._pool = pool
        self._is_added = is_added
        self._clock = clock
        self._used_at: dict[str, float] = {}
        """Times of the last use, by names in the engine. Only models that are ready are
        in it; others cannot be unloaded, since some thread still works on them."""
        self._asked_for: set[str] = set()
        """Models that were loaded for a job and were not used since."""
        self._proposed: dict[str, int] = {}
        """Numbers of open proposals."""
        self._numbers = itertools.count()

    def is_ready(self, called: str) -> bool:
        """Return True if the model is in memory."""
        return called in self._used_at

    def mark_ready(self, called: str, asked_for: bool = False) -> None:
        """Note that a model is ready.

        asked_for: whether a job waits for it.
        """
        self._used_at[called] = self._clock()
        if asked_for:
            self._asked_for.add(called)

    def mark_used(self, called: str) -> None:
        """Note that a job has used a model now."""
        if called in self._used_at:
            self._used_at[called] = self._clock()
        self._asked_for.discard(called)

    def proposals(
        self, serving: Mapping[str, str], in_use: Collection[str], needs_room: bool
    ) -> dict[str, int]:
        """Return the models to propose now: name -> number of the proposal.

        serving: plain name -> name of each served model.
        in_use: models that jobs use now.
        needs_room: whether a model waits to be loaded.
        """
        for called in in_use:
            self.mark_used(called)
        own_names = {called: name for name, called in serving.items()}
        now = self._clock()
        resting = [called for called in self._used_at if called not in own_names]
        found = [called for called in resting if now >= self._used_at[called] + REST_S]
        if needs_room and self._pool.is_full and not self._proposed and not found:
            added = [
                called
                for called, name in own_names.items()
                if called in self._used_at and self._is_added(name)
            ]
            found = self._least_recent(resting, in_use) or self._least_recent(
                added, in_use
            )
        new = [called for called in found if called not in {*in_use, *self._proposed}]
        proposals = {called: next(self._numbers) for called in new}
        self._proposed.update(proposals)
        return proposals

    def _least_recent(self, names: list[str], in_use: Collection[str]) -> list[str]:
        """Return, in a list, the model that was used least recently and may be
        unloaded; empty if none may."""
        now = self._clock()
        free = [
            called
            for called in names
            if called not in in_use
            and (
                called not in self._asked_for or now >= self._used_at[called] + FRESH_S
            )
        ]
        return sorted(free, key=self._used_at.__getitem__)[:1]

    def is_open(self, called: str, proposal: int) -> bool:
        """Return True if this proposal to unload a model was neither withdrawn nor
        carried out."""
        return self._proposed.get(called) == proposal

    def withdraw(self, called: str) -> None:
        """Withdraw a proposal, because the worker was told that the model is here."""
        self._proposed.pop(called, None)

    def mark_unloaded(self, called: str) -> None:
        self._proposed.pop(called, None)
        self._used_at.pop(called, None)
        self._asked_for.discard(called)
