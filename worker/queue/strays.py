"""Open jobs that nobody has: in none of the places where an open job is. There should be none.

It is looked for in pieces, so that nobody else waits for Redis: what moves meanwhile may be missed in one place and in
the other. So a job is suspected twice, some time apart, and looked for once more in the script that gives it back.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from redis import Redis
from rq.queue import Queue

from worker.contract import keys
from worker.queue.scripts import RETURN_STRAY

NOTES_TTL_S = 3600

PIECE = 500
"""Ids that one command reads."""


class Strays:
    """Open jobs of one queue that lie nowhere. Every method may raise RedisError."""

    def __init__(
        self, redis: Redis, queue: Queue, started: str, clock: Callable[[], float]
    ) -> None:
        """started: the key of the registry of leases. clock: seconds; may raise RedisError."""
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
        """Give back those that nobody has had for so long. Returns their ids, and those that RQ has no record of."""
        now, before = self._clock(), self._redis.hgetall(self._notes)
        suspected = {
            job_id: float(before.get(job_id.encode(), now))
            for job_id in self._nowhere()
        }
        old = [
            job_id for job_id, since in suspected.items() if now - since >= older_than_s
        ]
        said = {
            job_id: self._redis.eval(
                RETURN_STRAY, len(self._places), *self._places, job_id
            )
            for job_id in old
        }
        self._note(
            {job_id: since for job_id, since in suspected.items() if job_id not in said}
        )
        returned, gone = (
            [job_id for job_id in old if said[job_id] == word]
            for word in (b"returned", b"gone")
        )
        return returned, gone

    def _note(self, suspected: Mapping[str, float]) -> None:
        """Keep the suspected for the next sweep, by whichever worker."""
        with self._redis.pipeline() as pipeline:
            pipeline.delete(self._notes)
            if suspected:
                pipeline.hset(self._notes, mapping=suspected)
                pipeline.expire(self._notes, NOTES_TTL_S)
            pipeline.execute()

    def _nowhere(self) -> list[str]:
        """Open jobs of this queue that were seen in none of the places."""
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
        """Items of a list, from its end: what is taken from its front while it is read moves to where it is read
        later."""
        for last in range(self._redis.llen(key) - 1, -1, -PIECE):
            yield from self._redis.lrange(key, max(0, last - PIECE + 1), last)

    def _members(self, key: str) -> Iterator[bytes]:
        """Members of a sorted set, from its end."""
        for last in range(self._redis.zcard(key) - 1, -1, -PIECE):
            yield from self._redis.zrange(key, max(0, last - PIECE + 1), last)
