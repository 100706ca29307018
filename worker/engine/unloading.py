"""Which models leave memory, and when.

Models whose weights were exchanged or deleted leave it once no job has used them for a
moment. If the pool is full, they leave at once, and after them the added models that
were used least recently; a job for one of these loads it again. Shipped models stay.

The engine's thread proposes and the worker decides: between its look at a job and the
order that follows, the worker must not lose the model. So unloading takes three steps:
the engine tells `unloadable`, the worker forgets the model's name in the engine and
sends `unload`, and all orders that it sent before have arrived by then. Proposals are
numbered: an answer counts only while the engine has told nothing else of the model.
"""

import itertools
import time
from collections.abc import Callable, Collection, Mapping

from worker.engine.model_pool import ModelPool

REST_S = 60.0
"""Seconds that exchanged or deleted weights stay after their last use: jobs that were
accepted for them may still come."""
FRESH_S = 5.0
"""Seconds that a model stays which a job has asked for, unless it is used sooner: else
the jobs for two models could unload each other's before either is drawn."""


class Unloading:
    """Knows when each model was used last. Used by the engine's thread alone.

    pool: the models in memory. is_added: whether the model of this name was added, and
    can be loaded again from the directory of added models.
    """

    def __init__(
        self,
        pool: ModelPool,
        is_added: Callable[[str], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
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
        """Return True if the model is in memory and ready to draw."""
        return called in self._used_at

    def ready(self, called: str, asked_for: bool = False) -> None:
        """Note that a model is ready. asked_for: a job waits for it."""
        self._used_at[called] = self._clock()
        if asked_for:
            self._asked_for.add(called)

    def used(self, called: str) -> None:
        """Note that a job uses a model."""
        if called in self._used_at:
            self._used_at[called] = self._clock()
        self._asked_for.discard(called)

    def proposals(
        self, serving: Mapping[str, str], in_use: Collection[str], needs_room: bool
    ) -> dict[str, int]:
        """Return the models to propose now, by their names in the engine, and the numbers
        of the proposals.

        serving: the names in the engine of the models that are served, by their own
        names. in_use: those that jobs draw with. needs_room: a model waits to be loaded.
        """
        for called in in_use:
            self.used(called)
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
        """Return the one of these that was used least recently, if one may leave."""
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
        """Return True if the proposal of this number still holds."""
        return self._proposed.get(called) == proposal

    def withdraw(self, called: str) -> None:
        """Take a proposal back: the worker hears that the model is here."""
        self._proposed.pop(called, None)

    def unloaded(self, called: str) -> None:
        """Forget a model that has left memory."""
        self._proposed.pop(called, None)
        self._used_at.pop(called, None)
        self._asked_for.discard(called)
