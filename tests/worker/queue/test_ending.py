"""What RQ is told of jobs that ended, and what it keeps of them."""

import pytest
from rq.executions import Execution

from tests.worker.harness import Client
from worker.contract import keys
from worker.contract.jobs import JobStatus
from worker.orders.claims import CANCELED, SUCCEEDED, Claim, Outcome, failed
from worker.orders.faults import worker_lost
from worker.queue.ending import Ending
from worker.queue.held_jobs import HeldJobs
from worker.queue.rq_job import SERIALIZER, DrawJob
from worker.queue.rq_worker import RqWorker


@pytest.fixture
def rq(client: Client) -> RqWorker:
    rq = RqWorker(keys.QUEUE, client.redis, "w")
    rq.register_birth()
    return rq


@pytest.fixture
def held(rq: RqWorker) -> HeldJobs:
    return HeldJobs(rq, max_jobs=8)


def begin(client: Client, held: HeldJobs, job_id: str) -> Execution:
    client.redis.lmove(client.queue.key, client.queue.intermediate_queue_key)
    job = DrawJob.fetch(job_id, connection=client.redis, serializer=SERIALIZER)
    assert isinstance(job, DrawJob)
    return held.take(job)[0]


@pytest.mark.parametrize(
    "outcome",
    [SUCCEEDED, CANCELED, failed(worker_lost())],
    ids=["succeeded", "canceled", "failed"],
)
def test_rq_keeps_nothing_of_a_job_that_has_ended(
    client: Client, rq: RqWorker, held: HeldJobs, outcome: Outcome
) -> None:
    """It counts it; a second call, after a lost reply, finds nothing to do."""
    spec = client.submit()
    execution = begin(client, held, spec.id)
    ending, ended = (
        Ending(rq, held, release=lambda _: False),
        [(Claim(spec.id, execution.id, last_seq=0), outcome)],
    )
    assert outcome.status is not None
    client.redis.hset(keys.job(spec.id), "status", outcome.status.value)
    ending.finish(ended)
    ending.finish(ended)
    assert [key for key in client.redis.keys("rq:*") if spec.id.encode() in key] == []
    assert not any(client.leftovers().values())
    counted = (
        "failed_job_count"
        if outcome.status is JobStatus.FAILED
        else "successful_job_count"
    )
    assert client.redis.hget(rq.key, counted) == b"1"


def test_rq_keeps_a_job_that_is_open_after_all(
    client: Client, rq: RqWorker, held: HeldJobs
) -> None:
    """The server came back with an older state between the end and what RQ is told of it: the job is drawn again."""
    spec = client.submit()
    execution = begin(client, held, spec.id)
    Ending(rq, held, release=lambda _: False).finish(
        [(Claim(spec.id, execution.id, last_seq=0), SUCCEEDED)]
    )
    assert client.redis.exists(f"{keys.RQ_JOB}{spec.id}")


def test_several_ends_are_told_in_one_round_trip(
    client: Client, rq: RqWorker, held: HeldJobs
) -> None:
    """A claim that is over already, of a job that others have, changes nothing."""
    specs = [client.submit() for _ in range(3)]
    claims = [
        Claim(spec.id, begin(client, held, spec.id).id, last_seq=0) for spec in specs
    ]
    before = client.redis.info("stats")["total_reads_processed"]
    Ending(rq, held, release=lambda _: False).finish(
        [(claim, SUCCEEDED) for claim in [*claims, Claim("x", "y", 0)]]
    )
    assert (
        client.redis.info("stats")["total_reads_processed"] <= before + 2
    )  # the second one is this question
    assert len(held) == 0
    assert client.redis.hget(rq.key, "successful_job_count") == b"3"
    assert not any(client.leftovers().values())
