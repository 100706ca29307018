"""How many jobs a worker takes from the queue before it has done others."""

import pytest
import redis
from rq.executions import Execution

from worker.contract import keys
from worker.orders.claims import LOST, Claim
from worker.queue.ending import Ending
from worker.queue.held_jobs import HeldJobs
from worker.queue.rq_job import SERIALIZER, DrawJob
from worker.queue.rq_worker import RqWorker

MAX_JOBS = 2


@pytest.fixture
def held(redis_url: str) -> HeldJobs:
    return HeldJobs(
        RqWorker(keys.QUEUE, redis.Redis.from_url(redis_url), "w"), MAX_JOBS
    )


@pytest.fixture
def ending(held: HeldJobs) -> Ending:
    return Ending(held._rq, held, release=lambda _: False)


def take(held: HeldJobs, job_id: str) -> Execution:
    job = DrawJob.create(
        keys.JOB_FUNCTION,
        (job_id,),
        id=job_id,
        connection=held._rq.connection,
        serializer=SERIALIZER,
        origin=keys.QUEUE,
    )
    job.save()
    return held.take(job)[0]


def test_next_job_is_taken_when_one_is_drawn(held: HeldJobs) -> None:
    """Not only when its last rows are written: the engine would have nothing to do meanwhile."""
    first, _ = take(held, "a"), take(held, "b")
    assert not held.wait_for_room()
    held.mark_drawn(first.id)
    assert held.wait_for_room()
    take(held, "c")
    assert not held.wait_for_room()


def test_no_more_are_taken_when_drawn_jobs_pile_up(
    held: HeldJobs, ending: Ending
) -> None:
    """Twice as many at the most; one that is written makes room."""
    taken = []
    for i in range(2 * MAX_JOBS):
        assert held.wait_for_room()
        taken.append(take(held, str(i)))
        held.mark_drawn(taken[-1].id)
    assert not held.wait_for_room()
    ending.finish([(Claim(taken[0].job_id, taken[0].id, last_seq=0), LOST)])
    held.mark_drawn(taken[0].id)  # too late to count
    assert held.wait_for_room()
    take(held, "next")
    assert not held.wait_for_room()


def test_nothing_is_taken_when_the_engine_is_late(redis_url: str) -> None:
    """What it holds already goes to other workers: this one must not take it back."""
    late = [False]
    held = HeldJobs(
        RqWorker(keys.QUEUE, redis.Redis.from_url(redis_url), "w"),
        MAX_JOBS,
        lambda: late[0],
    )
    assert held.wait_for_room()
    late[0] = True
    assert not held.wait_for_room()
