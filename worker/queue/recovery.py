"""Finds the jobs of dead workers and of interrupted moments, and sees that each goes on or ends.

Every worker runs this once a second, and the moment the next lease lapses; a short lock, given back at once, keeps them
from doing it all at the same time. RQ's own maintenance takes its lock for 15 minutes and does not give it back when it
dies.

What is found, and what becomes of it:
    a lease that lapsed, retries left         -> front of the queue
    a lease that lapsed, retries spent        -> failed, "worker-lost"; a death after which more was drawn spends none
    an id taken but never begun               -> front of the queue
    an id whose queue record is gone          -> failed, "worker-lost"
    a job that RQ calls failed, still open    -> failed, "worker-lost"
    an open job that is in none of these      -> front of the queue
A job that waits, parked, for a worker that can do it is none of this: see worker.queue.scripts.
Leases are judged by Redis's clock. RQ's dates (created, ended) and the failed registry keep the workers' own clocks.
"""

import re
import time
import uuid
from typing import Any

import structlog
from redis import Redis
from redis.exceptions import RedisError, ResponseError
from rq.defaults import RQ_KEY_PREFIX
from rq.exceptions import NoSuchJobError
from rq.executions import WORKER_EXECUTIONS_KEY_TEMPLATE
from rq.registry import FailedJobRegistry, FinishedJobRegistry, StartedJobRegistry
from rq.timeouts import TimerDeathPenalty
from rq.worker_registration import REDIS_WORKER_KEYS, WORKERS_BY_QUEUE_KEY

from worker.contract import keys
from worker.contract.trouble import is_store_trouble
from worker.jobs.announcement import withdraw
from worker.jobs.ledger import Ledger, Settled
from worker.orders.claims import failed
from worker.orders.faults import worker_lost
from worker.queue.rq_job import SERIALIZER, DrawJob, queue_of
from worker.queue.scripts import FORGIVE, LAPSE, SWEEP_INTERMEDIATE, UNLOCK
from worker.queue.strays import Strays

INTERVAL_S = 1.0
LEAST_S = 0.05
INSTANT_S = 1e-6
"""A lease that lapses at this very moment is left to the next pass."""

LOCK_TTL_S = 5
LONG_SWEEP_EVERY_S = 30.0
SWEEPER_TTL_S = 75
"""A worker that has swept goes on with it; another does when it has not for so long."""

STRAY_AFTER_S = 20.0
FAILED_SWEEP_LIMIT = 1000
"""How many of the newest failed entries are looked at: others were seen by an earlier sweep."""


_MEMBER = re.compile(rb"[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?")


def redis_time(redis: Redis) -> float:
    """Seconds since 1970 by Redis's clock."""
    answer: Any = redis.time()
    seconds, microseconds = answer
    return seconds + microseconds / 1e6


class Recovery:
    """One queue's recovery. Every method but `turn` may raise RedisError."""

    def __init__(self, redis: Redis, queue: str = keys.QUEUE) -> None:
        self._redis: Any = redis
        self._queue = queue_of(queue, redis)
        self._ledger = Ledger(redis)
        self._lock = keys.recovery_lock(queue)
        self._started = StartedJobRegistry(
            queue,
            redis,
            job_class=DrawJob,
            serializer=SERIALIZER,
            death_penalty_class=TimerDeathPenalty,
        )
        self._failed = FailedJobRegistry(
            queue, redis, job_class=DrawJob, serializer=SERIALIZER
        )
        self._finished = FinishedJobRegistry(
            queue, redis, job_class=DrawJob, serializer=SERIALIZER
        )
        self._strays = Strays(
            redis, self._queue, self._started.key, lambda: redis_time(redis)
        )
        self._token = uuid.uuid4().hex.encode()
        self._sweeps = False
        self._next_sweep_at = 0.0
        self._log = structlog.get_logger("recovery")

    def turn(self) -> float:
        """One pass; returns the seconds until the next. After a Redis outage the living first get a lease's time to
        renew what is theirs. Raises nothing."""
        try:
            self.run_once()
            return self._until_next_lapse()
        except RedisError as error:
            self._log.warning("redis_away", error=str(error))
            return keys.LEASE_S

    def _until_next_lapse(self) -> float:
        """Seconds until the lease that ends first does, unless it is renewed; at most the usual interval."""
        first = self._redis.zrange(self._started.key, 0, 0, withscores=True)
        lapses_in = first[0][1] - redis_time(self._redis) if first else INTERVAL_S
        return min(max(lapses_in + INSTANT_S, LEAST_S), INTERVAL_S)

    def run_once(self, stranded_after_s: float = keys.LEASE_S) -> bool:
        """One pass, unless another worker is at it."""
        token = uuid.uuid4().hex
        if not self._redis.set(self._lock, token, nx=True, ex=LOCK_TTL_S):
            return False
        try:
            self.expire_leases()
            self.sweep_intermediate(stranded_after_s)
            self._sweep_sometimes()
        finally:
            self._redis.eval(UNLOCK, 1, self._lock, token)
        return True

    def expire_leases(self) -> None:
        """Retry the jobs whose lease has lapsed, or end them when their retries are spent."""
        now = redis_time(self._redis) - INSTANT_S
        expired = self._redis.zrangebyscore(self._started.key, 0, now)
        for member in expired:
            if _MEMBER.fullmatch(member):
                self._forgive(member)
                self._settle_if_given_up(member)
            else:  # none of ours, and RQ would stumble over it
                self._redis.zrem(self._started.key, member)
        if expired:
            self._log.warning(
                "leases_expired",
                members=[member.decode(errors="replace") for member in expired],
            )
            self._started.cleanup(timestamp=now)

    def _forgive(self, member: bytes) -> None:
        """A death does not count against a job that was getting on."""
        job_id = _job_of(member)
        try:
            self._redis.eval(FORGIVE, 2, keys.job(job_id), f"{keys.RQ_JOB}{job_id}")
        except ResponseError as error:
            self._note_unreadable(job_id, error)

    def _settle_if_given_up(self, member: bytes) -> None:
        """End the job before RQ does: RQ's side is tried again when this process dies in between, ours would not be."""
        job_id = _job_of(member)
        try:
            job = DrawJob.fetch(job_id, connection=self._redis, serializer=SERIALIZER)
            if job.is_started and not job.should_retry:
                self._settle_lost(job_id)
        except NoSuchJobError:
            self._settle_lost(job_id)
        except RedisError:
            raise
        except Exception as error:  # the edge to whoever can write to Redis: a record that RQ cannot read
            self._log.error("record_unreadable", job_id=job_id, error=repr(error))
            self._redis.zrem(self._started.key, member)
            self._settle_lost(job_id)

    def sweep_intermediate(self, older_than_s: float) -> None:
        """Give back ids that a worker took and never began."""
        lists = [
            self._queue.intermediate_queue_key,
            self._queue.key,
            keys.taken_ids(self._queue.name),
        ]
        for job_id in self._redis.eval(SWEEP_INTERMEDIATE, 3, *lists, older_than_s):
            self._settle_lost(job_id.decode(errors="replace"))

    def _sweep_sometimes(self) -> None:
        """Every half minute, by one of the workers."""
        if not self._is_due():
            return
        self.sweep_failed()
        self.forget_ended()
        self.sweep_strays(STRAY_AFTER_S)

    def _is_due(self) -> bool:
        """True where nobody has swept for a while; this worker has until then."""
        now = time.monotonic()
        if now < self._next_sweep_at:
            return False
        name = keys.sweep_lock(self._queue.name)
        if self._sweeps and self._redis.get(name) == self._token:
            self._redis.set(name, self._token, ex=SWEEPER_TTL_S)
        else:
            self._sweeps = bool(
                self._redis.set(name, self._token, nx=True, ex=SWEEPER_TTL_S)
            )
        self._next_sweep_at = now + LONG_SWEEP_EVERY_S
        return self._sweeps

    def sweep_failed(self) -> None:
        """End jobs that RQ gave up on by other ways than ours, such as a plain worker or a dashboard."""
        for job_id in self._redis.zrevrange(
            self._failed.key, 0, FAILED_SWEEP_LIMIT - 1
        ):
            self._settle_lost(job_id.decode(errors="replace"))

    def forget_ended(self) -> None:
        """Take ids out of RQ's lists of ended jobs whose time is over: RQ does so only in its own maintenance."""
        now = redis_time(self._redis)
        for registry in (self._finished, self._failed):
            self._redis.zremrangebyscore(registry.key, 0, now)

    def sweep_strays(self, older_than_s: float) -> None:
        """Give back open jobs that nobody has. There should be none; but one is not left to wait for ever."""
        returned, gone = self._strays.sweep(older_than_s)
        if returned:
            self._log.error("strays_returned", job_ids=returned)
        for job_id in gone:
            self._settle_lost(job_id)

    def _settle_lost(self, job_id: str) -> None:
        try:
            if self._ledger.settle(job_id, "", failed(worker_lost())) is Settled.ENDED:
                self._log.error("job_lost", job_id=job_id)
        except ResponseError as error:
            self._note_unreadable(job_id, error)

    def _note_unreadable(self, job_id: str, error: ResponseError) -> None:
        """It is not a job's record at all. Raises the error where it is the server that is in trouble."""
        if is_store_trouble(error):
            raise error
        self._log.error("record_unreadable", job_id=job_id, error=str(error))

    def expire_worker(self, name: str) -> None:
        """Let every lease of this worker lapse now, and forget the worker."""
        record, held = (
            f"{RQ_KEY_PREFIX}:worker:{name}",
            WORKER_EXECUTIONS_KEY_TEMPLATE.format(name),
        )
        members = self._redis.smembers(held)
        with self._redis.pipeline() as pipeline:
            pipeline.eval(LAPSE, 1, self._started.key, *members)
            pipeline.srem(REDIS_WORKER_KEYS, record)
            pipeline.srem(WORKERS_BY_QUEUE_KEY % self._queue.name, record)
            pipeline.delete(record, held)
            pipeline.execute()
        withdraw(self._redis, name)

    def any_worker_alive(self) -> bool:
        records = self._redis.smembers(WORKERS_BY_QUEUE_KEY % self._queue.name)
        return any(self._redis.exists(record) for record in records)


def _job_of(member: bytes) -> str:
    """A lease's member is `job:execution`."""
    return member.decode(errors="replace").partition(":")[0]


def recover(
    name: str, redis: Redis, queue: str = keys.QUEUE, patience_s: float = 2 * INTERVAL_S
) -> None:
    """Hand the jobs of a worker that is known to be dead to its peers now, without waiting for its leases.

    For a supervisor that saw the process end. Raises RedisError; what it did not get done, the leases will.
    """
    recovery = Recovery(redis, queue)
    recovery.expire_worker(name)
    stranded_after_s = keys.LEASE_S if recovery.any_worker_alive() else 0
    deadline = time.monotonic() + patience_s
    while not recovery.run_once(stranded_after_s) and time.monotonic() < deadline:
        time.sleep(0.05)
