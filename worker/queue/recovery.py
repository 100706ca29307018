"""Finds jobs whose worker died or was interrupted, and makes each of them continue or
end.

Every worker runs this once a second, and when the next lease expires. A short lock,
which is released afterwards, keeps workers from doing it at the same time; RQ's own
maintenance holds its lock for 15 minutes even if the worker dies.

    found                                    what happens
    a lease that expired, retries left       -> front of the queue
    a lease that expired, no retries left    -> failed, "worker-lost"; a death costs a
                                                retry only if no row was drawn since
                                                the death before
    an id that was taken but never begun     -> front of the queue
    an id without a record in RQ             -> failed, "worker-lost"
    an open job that RQ lists as failed      -> failed, "worker-lost"
    an open job that is in none of these     -> front of the queue
    the name of a worker that has no record  -> removed

A parked job, which waits for a worker that can do it, is none of these
(worker.queue.scripts). Leases are judged by Redis's clock. RQ's dates (created, ended)
and its registry of failed jobs use the workers' own clocks.
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
from worker.jobs.ledger import Ledger, SettleAnswer
from worker.orders.claims import failed
from worker.orders.faults import worker_lost
from worker.queue.rq_job import SERIALIZER, DrawJob, queue_of
from worker.queue.scripts import (
    FORGET_WORKERS,
    FORGIVE,
    LAPSE,
    SWEEP_INTERMEDIATE,
    UNLOCK,
)
from worker.queue.strays import Strays

INTERVAL_S = 1.0
"""Seconds between two passes."""
LEAST_S = 0.05
"""Seconds between two passes, at least."""
INSTANT_S = 1e-6
"""Seconds: a lease that expires at the very moment of a pass is left to the next
one."""

LOCK_TTL_S = 5
"""Seconds after which the lock of a worker that died in a pass is free again."""
LONG_SWEEP_EVERY_S = 30.0
"""Seconds between two searches for failed and stray jobs, and for dead workers."""
SWEEPER_TTL_S = 75
"""Seconds after which another worker takes over these searches, if the worker that does
them has stopped."""

STRAY_AFTER_S = 20.0
"""Seconds for which an open job must be without an owner before it is returned."""
FAILED_SWEEP_LIMIT = 1000
"""How many of the newest failed entries are looked at: earlier searches have seen the
others."""


_MEMBER = re.compile(rb"[A-Za-z0-9_-]+(:[A-Za-z0-9_-]+)?")


def redis_time(redis: Redis) -> float:
    """Return Redis's clock in seconds since 1970."""
    answer: Any = redis.time()
    seconds, microseconds = answer
    return seconds + microseconds / 1e6


class Recovery:
    """The recovery of one queue's jobs. Each worker has one, and so has a supervisor
    that saw a worker die."""

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
        """Run one pass and return the seconds until the next one. Raises no RedisError."""
        try:
            self.run_once()
            return self._until_next_lapse()
        except RedisError as error:
            self._log.warning("redis_away", error=str(error))
            return keys.LEASE_S  # in which live workers renew their leases

    def _until_next_lapse(self) -> float:
        """Return the seconds until the first lease expires, between LEAST_S and
        INTERVAL_S."""
        first = self._redis.zrange(self._started.key, 0, 0, withscores=True)
        lapses_in = first[0][1] - redis_time(self._redis) if first else INTERVAL_S
        return min(max(lapses_in + INSTANT_S, LEAST_S), INTERVAL_S)

    def run_once(self, stranded_after_s: float = keys.LEASE_S) -> bool:
        """Run one pass and return True; return False if another worker holds the lock.

        stranded_after_s: seconds after which a taken id counts as never begun.
        """
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
        """Return jobs with an expired lease to the front of the queue, or end them as
        failed if they have no retries left."""
        now = redis_time(self._redis) - INSTANT_S
        expired = self._redis.zrangebyscore(self._started.key, 0, now)
        for member in expired:
            if _MEMBER.fullmatch(member):
                self._forgive(member)
                self._settle_if_given_up(member)
            else:
                # Not written by a worker of this project; RQ would raise an error.
                self._redis.zrem(self._started.key, member)
        if expired:
            self._log.warning(
                "leases_expired",
                members=[member.decode(errors="replace") for member in expired],
            )
            self._started.cleanup(timestamp=now)

    def _forgive(self, member: bytes) -> None:
        """Restore the retry that RQ will subtract, if rows were drawn since the death
        before."""
        job_id = _job_of(member)
        try:
            self._redis.eval(FORGIVE, 2, keys.job(job_id), f"{keys.RQ_JOB}{job_id}")
        except ResponseError as error:
            self._note_unreadable(job_id, error)

    def _settle_if_given_up(self, member: bytes) -> None:
        """End the job's own record if RQ will end its entry."""
        # Before RQ does: if this process dies between the two, RQ's part is repeated, but
        # ours would not be.
        job_id = _job_of(member)
        try:
            job = DrawJob.fetch(job_id, connection=self._redis, serializer=SERIALIZER)
            if job.is_started and not job.should_retry:
                self._settle_lost(job_id)
        except NoSuchJobError:
            self._settle_lost(job_id)
        except RedisError:
            raise
        except Exception as error:
            # Other programs can write to Redis: RQ cannot read the record.
            self._log.error("record_unreadable", job_id=job_id, error=repr(error))
            self._redis.zrem(self._started.key, member)
            self._settle_lost(job_id)

    def sweep_intermediate(self, older_than_s: float) -> None:
        """Return ids to the queue that a worker took this many seconds ago and never
        began; end their jobs if RQ has no record."""
        lists = [
            self._queue.intermediate_queue_key,
            self._queue.key,
            keys.taken_ids(self._queue.name),
        ]
        for job_id in self._redis.eval(SWEEP_INTERMEDIATE, 3, *lists, older_than_s):
            self._settle_lost(job_id.decode(errors="replace"))

    def _sweep_sometimes(self) -> None:
        if not self._is_due():
            return
        self.sweep_failed()
        self.forget_ended()
        self.forget_dead_workers()
        self.sweep_strays(STRAY_AFTER_S)

    def _is_due(self) -> bool:
        """Return True if it is time and this worker does the searches, which it keeps
        until it dies."""
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
        """End jobs as failed that RQ's registry lists as failed although they are open:
        a plain RQ worker or a dashboard did that."""
        for job_id in self._redis.zrevrange(
            self._failed.key, 0, FAILED_SWEEP_LIMIT - 1
        ):
            self._settle_lost(job_id.decode(errors="replace"))

    def forget_ended(self) -> None:
        """Remove expired ids from RQ's lists of ended jobs, which only RQ's own
        maintenance would do."""
        now = redis_time(self._redis)
        for registry in (self._finished, self._failed):
            self._redis.zremrangebyscore(registry.key, 0, now)

    def forget_dead_workers(self) -> None:
        """Remove the names of workers whose announcement or record has expired."""
        queue = WORKERS_BY_QUEUE_KEY % self._queue.name
        sets = keys.WORKERS, REDIS_WORKER_KEYS, queue
        self._redis.eval(FORGET_WORKERS, len(sets), *sets, keys.worker(""))

    def sweep_strays(self, older_than_s: float) -> None:
        """Return open jobs to the queue that no worker and no list has had for this
        many seconds. There should be none."""
        returned, gone = self._strays.sweep(older_than_s)
        if returned:
            self._log.error("strays_returned", job_ids=returned)
        for job_id in gone:
            self._settle_lost(job_id)

    def _settle_lost(self, job_id: str) -> None:
        try:
            if (
                self._ledger.settle(job_id, "", failed(worker_lost()))
                is SettleAnswer.ENDED
            ):
                self._log.error("job_lost", job_id=job_id)
        except ResponseError as error:
            self._note_unreadable(job_id, error)

    def _note_unreadable(self, job_id: str, error: ResponseError) -> None:
        """Log a record that is not a job's; raise the error again if the server is in
        trouble."""
        if is_store_trouble(error):
            raise error
        self._log.error("record_unreadable", job_id=job_id, error=str(error))

    def expire_worker(self, name: str) -> None:
        """Let all leases of the worker of this name expire now, and delete its records
        and its announcement."""
        record = f"{RQ_KEY_PREFIX}:worker:{name}"
        held = WORKER_EXECUTIONS_KEY_TEMPLATE.format(name)
        members = self._redis.smembers(held)
        with self._redis.pipeline() as pipeline:
            pipeline.eval(LAPSE, 1, self._started.key, *members)
            pipeline.srem(REDIS_WORKER_KEYS, record)
            pipeline.srem(WORKERS_BY_QUEUE_KEY % self._queue.name, record)
            pipeline.delete(record, held)
            pipeline.execute()
        withdraw(self._redis, name)

    def any_worker_alive(self) -> bool:
        """Return True if a worker of this queue has a record that has not expired."""
        records = self._redis.smembers(WORKERS_BY_QUEUE_KEY % self._queue.name)
        return any(self._redis.exists(record) for record in records)


def _job_of(member: bytes) -> str:
    return member.decode(errors="replace").partition(":")[0]


def recover(name: str, redis: Redis, queue: str = keys.QUEUE) -> None:
    """Return the jobs of a dead worker to the queue now, without waiting for its leases
    to expire. Call it only if the worker's process has ended. Wait up to two intervals
    while another worker recovers jobs."""
    recovery = Recovery(redis, queue)
    recovery.expire_worker(name)
    stranded_after_s = keys.LEASE_S if recovery.any_worker_alive() else 0
    deadline = time.monotonic() + 2 * INTERVAL_S
    while not recovery.run_once(stranded_after_s) and time.monotonic() < deadline:
        time.sleep(0.05)
