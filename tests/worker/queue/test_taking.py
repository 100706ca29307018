"""What a worker takes from the queue in one round trip, on a real server."""

import pytest
import redis

from tests.worker.harness import Client
from tests.worker.queue.intake import Intake, Nothing, waiting
from worker.contract import keys, scripts
from worker.contract.jobs import JobSpec, JobStatus
from worker.queue.taking import AT_ONCE


@pytest.fixture
def intake(client: Client) -> Intake:
    return Intake(client)


def test_jobs_are_taken_a_few_at_a_time_and_begun_in_their_order(
    client: Client, intake: Intake
) -> None:
    """Others that wait get some too."""
    ids = [client.submit().id for _ in range(AT_ONCE + 2)]
    assert intake.next() == ids[0]
    assert waiting(client) == ids[AT_ONCE:]
    assert [intake.next() for _ in ids[1:]] == ids[1:]
    assert client.leftovers()["intermediate"] == 0


def test_no_more_are_taken_than_there_is_room_for(client: Client) -> None:
    """What is taken and not begun would wait here, while another worker has nothing to do."""
    intake, ids = Intake(client, max_jobs=2), [client.submit().id for _ in range(4)]
    assert [intake.next(), intake.next()] == ids[:2]
    assert waiting(client) == ids[2:]


def test_job_that_comes_later_ends_the_wait(client: Client, intake: Intake) -> None:
    """With what there is to see of it."""
    intake.taking._take_queued(AT_ONCE)  # waits a second
    assert not intake.taking._pending
    spec = client.submit()
    taken = intake.taking.next()
    assert taken is not None
    assert taken.spec is not None
    assert (taken.job.id, spec.id.encode() in taken.spec) == (spec.id, True)


def test_second_entry_of_a_job_is_dropped(client: Client, intake: Intake) -> None:
    """Whether both are taken together or one after the other."""
    spec, other = client.submit(), client.submit()
    client.redis.rpush(client.queue.key, spec.id)
    assert [intake.next() for _ in range(3)] == [spec.id, other.id, spec.id]
    client.redis.rpush(client.queue.key, spec.id)
    intake.next()
    assert sorted(execution.job_id for execution in intake.held.all()) == sorted(
        [spec.id, other.id]
    )
    assert client.leftovers()["intermediate"] == 0
    assert client.redis.hget(f"{keys.RQ_JOB}{spec.id}", "status") == b"started"


def claimed_by_a_dead_worker(client: Client) -> JobSpec:
    """Return a job that is running for a worker that does nothing any more."""
    spec = client.submit()
    client.redis.eval(scripts.CLAIM, 4, *scripts.of(spec.id), "dead")
    return spec


def test_job_of_a_dead_worker_is_canceled_by_one_that_cannot_do_it(
    client: Client,
) -> None:
    """Its client was told that it would end soon; it must not wait for another worker."""
    intake = Intake(client, admits=Nothing)
    spec = claimed_by_a_dead_worker(client)
    assert client.cancel(spec.id) == "canceling"
    assert intake.next() == spec.id
    assert client.status(spec.id) is JobStatus.CANCELED
    assert not any(client.leftovers().values())
    assert not client.redis.exists(keys.parked_ids(keys.QUEUE))


def test_parked_job_is_canceled_if_that_was_requested_while_it_ran(
    client: Client,
) -> None:
    """The request came after the worker had taken it, and before it was parked."""
    intake = Intake(client, admits=Nothing)
    spec = claimed_by_a_dead_worker(client)
    taken = intake.taking.next()
    assert taken is not None
    assert client.cancel(spec.id) == "canceling"
    intake.beginning.begin(taken)
    assert client.redis.zcard(keys.parked_ids(keys.QUEUE)) == 1
    intake.taking._look_at_parked_at = 0.0
    assert intake.taking._take_parked()
    assert intake.next() == spec.id
    assert client.status(spec.id) is JobStatus.CANCELED
    assert not any(client.leftovers().values())


@pytest.mark.parametrize("spoil", ["set", "hset"])
def test_entry_that_cannot_be_read_costs_the_others_nothing(
    client: Client, intake: Intake, spoil: str
) -> None:
    """A record that is none, or one whose fields make no sense: the job fails, and the next one is begun."""
    bad, good = client.submit(), client.submit()
    record = f"{keys.RQ_JOB}{bad.id}"
    client.redis.delete(record)
    words = (
        [record, "nothing of RQ's"]
        if spoil == "set"
        else [record, "created_at", "yesterday"]
    )
    client.redis.execute_command(spoil, *words)
    assert intake.next() == good.id
    error = client.failed(bad)
    assert "cannot be read" in error.detail
    assert client.leftovers()["intermediate"] == 0


def test_entry_without_a_record_is_left_to_the_recovery(
    client: Client, intake: Intake
) -> None:
    """As RQ leaves it: the sweep of ids that were never begun ends its job."""
    gone, good = client.submit(), client.submit()
    client.redis.delete(f"{keys.RQ_JOB}{gone.id}")
    assert intake.next() == good.id
    assert client.leftovers()["intermediate"] == 1


def test_jobs_at_hand_go_back_to_the_front_when_the_worker_stops(
    client: Client, intake: Intake
) -> None:
    """In their order; the one that was handed out too."""
    ids = [client.submit().id for _ in range(3)]
    first = intake.taking.next()
    assert first is not None
    later = client.submit()
    intake.rq._stop_requested = True
    intake.taking.put_back()
    intake.beginning.begin(first)
    assert waiting(client) == [*ids, later.id]
    assert client.leftovers()["intermediate"] == 0
    assert intake.taking.next() is None


def test_full_worker_takes_a_job_of_an_owner_of_whom_it_has_none(
    client: Client,
) -> None:
    """A quarter more than it may else hold, one of each owner, though others stand before it; and no more of those."""
    intake = Intake(client, max_jobs=8)
    specs = [client.submit() for _ in range(14)]
    owners = [*"aaaaaaaaaaabcb"]
    for spec, owner in zip(specs, owners, strict=True):
        client.redis.hset(keys.job(spec.id), mapping={"ticket": f"6:{spec.id}:{owner}"})
    ids = [spec.id for spec in specs]
    assert [intake.next() for _ in range(8)] == ids[:8]
    assert [intake.next() for _ in range(2)] == [ids[11], ids[12]]
    assert not intake.held.has_room_for_newcomer
    assert waiting(client) == [*ids[8:11], ids[13]]
    intake.succeed(ids[0], intake.held.all()[0].id)
    intake.succeed(ids[1], intake.held.all()[0].id)
    intake.taking._take_newcomer()
    assert waiting(client) == [*ids[8:11], ids[13]]


def test_nothing_is_lost_when_redis_goes_away_behind_the_move(
    client: Client, intake: Intake
) -> None:
    """The ids are where the recovery looks for them."""
    spec = client.submit()
    answer = client.redis.execute_command

    def lose(*words: object, **options: object) -> object:
        answer(*words, **options)
        raise redis.ConnectionError("the reply is lost")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(intake.rq.connection, "execute_command", lose)
        with pytest.raises(redis.ConnectionError):
            intake.taking._take_queued(AT_ONCE)
    assert client.redis.lrange(intake.rq.queue.intermediate_queue_key, 0, -1) == [
        spec.id.encode()
    ]
