"""Strays: open jobs that are in none of the places where an open job should be. There
should be none.

The places are read in pieces, so that no other client waits for Redis; a job that moves
meanwhile may be missed in both its old and its new place. Therefore a job must be
missing twice, some time apart, and the script that returns it looks once more.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from redis import Redis
from rq.queue import Queue

from worker.contract import keys
from worker.queue.scripts import RETURN_STRAY

NOTES_TTL_S = 3600
"""Lifetime of the times at which jobs were first missing, in seconds."""

PIECE = 500
"""Ids that one command reads."""


class Strays:
    """Finds the stray jobs of one queue, which are open but in none of the places where
    a worker would find them, and returns them to the queue."""

    def __init__(
        self, redis: Redis, queue: Queue, started: str, clock: Callable[[], float]
    ) -> None:
        """started: key of the registry of leases.
        clock: seconds; may raise RedisError."""
        self._redis: Any = redis
        self._queue = queue
        self._places = [
            queue.key,
            queue.intermediate_queue_key,
            started,
            keys.parked_ids(queue.name),
        ]
        self._notes = keys.strays(queue.name)
        self._clock = clock

    def sweep(self, older_than_s: float) -> tuple[list[str], list[str]]:
        """Return jobs to the queue that have been strays for at least `older_than_s`
        seconds; younger ones are noted for the next sweep. Return two lists of ids:
        those that went back to the queue, and those of which RQ has no record, which
        the caller must end."""
        now = self._clock()
        before = self._redis.hgetall(self._notes)
        returned = []
        gone = []
        young = {}
        for job_id in self._nowhere():
            missing_since = float(before.get(job_id.encode(), now))
            if now - missing_since < older_than_s:
                young[job_id] = missing_since
                continue
            # The script checks all places again, in one step.
            answer = self._redis.eval(
                RETURN_STRAY, len(self._places), *self._places, job_id
            )
            if answer == b"returned":
                returned.append(job_id)
            elif answer == b"gone":
                gone.append(job_id)
        self._note(young)
        return returned, gone

    def _note(self, suspected: Mapping[str, float]) -> None:
        with self._redis.pipeline() as pipeline:
            pipeline.delete(self._notes)
            if suspected:
                pipeline.hset(self._notes, mapping=suspected)
                pipeline.expire(self._notes, NOTES_TTL_S)
            pipeline.execute()

    def _nowhere(self) -> list[str]:
        """Return the ids of open jobs of this queue that were seen in none of the
        places."""
        opened = {
            ticket.split(b":")[1]
            for ticket in self._members(keys.OPEN)
            if ticket.count(b":") >= 2
        }
        waiting, taken, started, parked = self._places
        missing = (
            opened
            - set(self._items(waiting))
            - set(self._items(taken))
            - set(self._members(parked))
        )
        missing -= {member.partition(b":")[0] for member in self._members(started)}
        return [job_id.decode() for job_id in self._of_this_queue(sorted(missing))]

    def _of_this_queue(self, job_ids: Sequence[bytes]) -> Iterator[bytes]:
        for first in range(0, len(job_ids), PIECE):
            piece = job_ids[first : first + PIECE]
            with self._redis.pipeline(transaction=False) as pipeline:
                for job_id in piece:
                    pipeline.hget(keys.JOB.encode() + job_id, "queue")
                found = pipeline.execute(raise_on_error=False)
            ours = self._queue.key.encode()
            yield from (
                job_id
                for job_id, queue in zip(piece, found, strict=True)
                if queue == ours
            )

    def _items(self, key: str) -> Iterator[bytes]:
        """Yield the items of a list from its end: an item that another worker takes
        from the front meanwhile moves to a list that is read later."""
        for last in range(self._redis.llen(key) - 1, -1, -PIECE):
            yield from self._redis.lrange(key, max(0, last - PIECE + 1), last)

    def _members(self, key: str) -> Iterator[bytes]:
        for last in range(self._redis.zcard(key) - 1, -1, -PIECE):
            yield from self._redis.zrange(key, max(0, last - PIECE + 1), last)
