"""What a person hears while models become ready: nothing on a usual start, a line for each on one that compiles."""

import time
from collections.abc import Callable

import redis

from pixelrnn import embedded

LOOK_S = 0.1
USUAL_S = 3.0
"""A start that is over within so many seconds is not talked about, nor looked at: it would be slower."""


class Progress:
    """`look()`, again and again: reads what the workers at this Redis announce, and tells `say` what is new."""

    def __init__(self, redis_url: str, say: Callable[[str], None]) -> None:
        self._url = redis_url
        self._say = say
        self._look_at = time.monotonic() + USUAL_S
        self._told: set[str] | None = None
        self._left: int | None = None

    def look(self) -> int | None:
        """How many models are not ready yet; None before that is known."""
        now = time.monotonic()
        if now >= self._look_at:
            self._look_at = now + LOOK_S
            names, ready = self._announced()
            if names:
                self._tell(names, ready)
            self._left = len(names - ready) if ready else None
        return self._left

    def _announced(self) -> tuple[set[str], set[str]]:
        """The models there are, and those that can be drawn from."""
        from worker.jobs.announcement import announced

        with embedded.connect(self._url) as client:
            try:
                workers = announced(client)
            except redis.RedisError:
                return set(), set()
        names = {card.name for worker in workers for card in worker.models}
        return names, {name for worker in workers for name in worker.ready}

    def _tell(self, names: set[str], ready: set[str]) -> None:
        if self._told is None:
            self._told = set(ready)
            if names - ready:
                self._say("compiling the drawing loops for this processor, once: jobs are taken meanwhile, and wait")
        for name in sorted(ready - self._told):
            self._told.add(name)
            self._say(f"{name} is ready ({len(self._told)} of {len(names)} models)")
