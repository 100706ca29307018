"""How many jobs a worker takes from the queue before it has done others."""

import pytest
import redis
from rq.executions import Execution

from worker.contract import keys
from worker.orders.claims import LOST
from worker.queue.intake import BatchWorker
from worker.queue.rq_job import SERIALIZER, DrawJob

MAX_JOBS = 2


@pytest.fixture
def worker(redis_url: str) -> BatchWorker:
    nothing = {
        "ours": lambda ids: [True] * len(ids),
        "open_job": lambda *_: False,
        "refuse_job": lambda *_: None,
        "release": lambda _: False,
    }
    return BatchWorker(keys.QUEUE, redis.Redis.from_url(redis_url), "w", MAX_JOBS, **nothing, drain=lambda: None)


def take(worker: BatchWorker, job_id: str) -> Execution:
    job = DrawJob.create(
        keys.JOB_FUNCTION, (job_id,), id=job_id, connection=worker.connection, serializer=SERIALIZER, origin=keys.QUEUE
    )
    job.save()
    return worker.prepare_execution(job)


def test_next_job_is_taken_when_one_is_drawn(worker: BatchWorker) -> None:
    """Not only when its last rows are written: the engine would have nothing to do meanwhile."""
    first, _ = take(worker, "a"), take(worker, "b")
    assert not worker._has_room()
    worker.drawn(first.id)
    assert worker._has_room()
    take(worker, "c")
    assert not worker._has_room()


def test_no_more_are_taken_when_drawn_jobs_pile_up(worker: BatchWorker) -> None:
    """Twice as many at the most; one that is written makes room."""
    taken = []
    for i in range(2 * MAX_JOBS):
        assert worker._has_room()
        taken.append(take(worker, str(i)))
        worker.drawn(taken[-1].id)
    assert not worker._has_room()
    worker.finish(taken[0].id, LOST)
    worker.drawn(taken[0].id)  # too late to count
    assert worker._has_room()
    take(worker, "next")
    assert not worker._has_room()
