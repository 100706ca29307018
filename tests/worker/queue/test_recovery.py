"""Jobs of dead workers, on a real server, with leases written by hand."""

import time
from collections.abc import Callable

import pytest
from rq.executions import Execution

from tests.app.hand_worker import GREY
from tests.worker.harness import Client
from tests.worker.queue.intake import Intake, waiting
from worker.contract import keys
from worker.contract.cards import WorkerInfo
from worker.contract.jobs import JobStatus
from worker.jobs.announcement import Announcement
from worker.jobs.ledger import Batch, Ledger, Progress, SettleAnswer, Unclaimed
from worker.orders.claims import CANCELED, Claim
from worker.queue import recovery, strays
from worker.queue.recovery import redis_time
from worker.queue.rq_job import SERIALIZER, DrawJob
from worker.queue.rq_worker import RqWorker


def take(client: Client, job_id: str) -> None:
    """What BLMOVE does."""
    moved = client.redis.lmove(client.queue.key, client.queue.intermediate_queue_key)
    assert moved.decode() == job_id


def begin(client: Client, job_id: str, lease_s: float, worker: str = "dead") -> str:
    """What a worker does that begins a job; the lease ends `lease_s` from now. Returns the claim's token."""
    take(client, job_id)
    job = DrawJob.fetch(job_id, connection=client.redis, serializer=SERIALIZER)
    with client.redis.pipeline() as pipeline:
        execution = Execution.create(
            job, keys.LEASE_S, pipeline=pipeline, worker_name=worker
        )
        job.prepare_for_execution(worker, pipeline=pipeline)
        pipeline.lrem(client.queue.intermediate_queue_key, 1, job_id)
        pipeline.zadd(
            client.queue.started_job_registry.key,
            {execution.composite_key: redis_time(client.redis) + lease_s},
        )
        pipeline.execute()
    Ledger(client.redis).claim(job_id, execution.id)
    return execution.id


def test_job_goes_to_the_front_when_its_lease_has_lapsed(client: Client) -> None:
    """One retry is spent, nothing is settled, and the next claim may write."""
    spec = client.submit()
    begin(client, spec.id, lease_s=-1)
    later = client.submit()
    assert recovery.Recovery(client.redis).run_once()
    assert waiting(client) == [spec.id, later.id]
    job = client.queue.fetch_job(spec.id)
    assert job is not None
    assert job.retries_left == keys.CRASHES_FORGIVEN - 1
    assert client.status(spec.id) is JobStatus.RUNNING


def test_worker_is_told_how_many_have_died_with_its_job(client: Client) -> None:
    """And nothing new of it in between: a death after which more was drawn does not count."""
    spec = client.submit()
    for share in ("0", "0", "0.5"):
        client.redis.hset(keys.job(spec.id), "share", share)
        begin(client, spec.id, lease_s=-1)
        assert recovery.Recovery(client.redis).run_once()
    intake = Intake(client)
    assert intake.next() == spec.id
    assert intake.admission.deaths == [2]


def test_job_is_left_alone_when_its_lease_is_held(client: Client) -> None:
    """A living worker keeps what it has, whatever its own clock says."""
    spec = client.submit()
    begin(client, spec.id, lease_s=2)
    recovery.Recovery(client.redis).run_once()
    assert waiting(client) == []
    assert client.leftovers()["started"] == 1


def test_next_look_is_when_the_next_lease_lapses(client: Client) -> None:
    """Never later than usual, and not at once again while another worker is at it."""
    watch = recovery.Recovery(client.redis)
    assert watch.turn() == recovery.INTERVAL_S
    lapsing, begun = client.submit(), time.monotonic()
    begin(client, lapsing.id, lease_s=1)
    begin(client, client.submit().id, lease_s=60)
    wait_s = watch.turn()
    assert 1 - (time.monotonic() - begun) - 0.05 < wait_s <= 1
    time.sleep(wait_s)
    watch.turn()
    assert waiting(client) == [lapsing.id]
    assert watch.turn() == recovery.INTERVAL_S
    begin(client, lapsing.id, lease_s=-1)
    client.redis.set(keys.recovery_lock(client.queue.name), "another's")
    assert watch.turn() == recovery.LEAST_S


def test_job_ends_as_worker_lost_when_no_retry_is_left(client: Client) -> None:
    """One terminal event; RQ calls it failed too."""
    spec = client.submit()
    begin(client, spec.id, lease_s=-1)
    client.redis.hset(f"rq:job:{spec.id}", "retries_left", 0)
    recovery.Recovery(client.redis).run_once()
    record = client.wait_end(spec.id)
    assert record.error is not None
    assert record.error.type == "worker-lost"
    assert client.queue.failed_job_registry.get_job_ids() == [spec.id]


def test_id_returns_to_the_queue_when_it_was_taken_and_never_begun(
    client: Client,
) -> None:
    """Only after a lease's time in between, with no retry spent; an id without a record is dropped."""
    spec = client.submit()
    take(client, spec.id)
    client.redis.lpush(client.queue.intermediate_queue_key, "nobody")
    pass_ = recovery.Recovery(client.redis)
    pass_.run_once()
    assert waiting(client) == []
    pass_.run_once(stranded_after_s=0)
    assert waiting(client) == [spec.id]
    assert client.leftovers()["intermediate"] == 0
    job = client.queue.fetch_job(spec.id)
    assert job is not None
    assert job.retries_left == keys.CRASHES_FORGIVEN


def test_job_ends_when_rq_has_given_up_on_it_by_itself(client: Client) -> None:
    """A plain worker or a dashboard may fail a job: its client is still told."""
    spec = client.submit()
    begin(client, spec.id, lease_s=-1)
    client.redis.hset(f"rq:job:{spec.id}", "retries_left", 0)
    client.queue.started_job_registry.cleanup()
    assert client.status(spec.id) is JobStatus.RUNNING
    recovery.Recovery(client.redis).run_once()
    assert client.wait_end(spec.id).status is JobStatus.FAILED


def test_job_ends_when_its_queue_record_is_gone(client: Client) -> None:
    """A lease whose job RQ does not know any more would never be tried again."""
    spec = client.submit()
    begin(client, spec.id, lease_s=-1)
    client.redis.delete(f"rq:job:{spec.id}")
    recovery.Recovery(client.redis).run_once()
    assert client.wait_end(spec.id).status is JobStatus.FAILED
    assert client.leftovers()["started"] == 0


def test_others_recover_when_one_record_cannot_be_read(client: Client) -> None:
    """A poisoned record does not block the recovery of the rest."""
    bad, good = client.submit(), client.submit()
    begin(client, bad.id, lease_s=-1)
    begin(client, good.id, lease_s=-1)
    client.redis.hset(f"rq:job:{bad.id}", "status", "no such status")
    recovery.Recovery(client.redis).run_once()
    assert waiting(client) == [good.id]
    assert client.wait_end(bad.id).status is JobStatus.FAILED


def test_pass_is_left_out_when_another_worker_is_at_it(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One at a time; the lock is short and given back even when the pass fails."""
    pass_ = recovery.Recovery(client.redis)
    client.redis.set(keys.recovery_lock(keys.QUEUE), "other", ex=5)
    assert not pass_.run_once()
    client.redis.delete(keys.recovery_lock(keys.QUEUE))

    def fail(*_: object) -> None:
        raise RuntimeError("in the middle")

    monkeypatch.setattr(pass_, "expire_leases", fail)
    with pytest.raises(RuntimeError):
        pass_.run_once()
    assert not client.redis.exists(keys.recovery_lock(keys.QUEUE))


def test_jobs_return_at_once_when_a_supervisor_saw_their_worker_die(
    client: Client,
) -> None:
    """`recover` waits for no lease, also frees ids that were only taken, and removes the worker's announcement."""
    running, taken = client.submit(), client.submit()
    begin(client, running.id, lease_s=3, worker="dead")
    take(client, taken.id)
    client.redis.set(keys.worker("dead"), "{}")
    client.redis.sadd(keys.WORKERS, "dead")
    recovery.recover("dead", client.redis)
    assert set(waiting(client)) == {running.id, taken.id}
    assert client.leftovers() == {"queue": 2, "intermediate": 0, "started": 0}
    assert not client.redis.exists(keys.worker("dead"))
    assert not client.redis.sismember(keys.WORKERS, "dead")


def test_recover_leaves_the_jobs_of_others_when_one_worker_died(client: Client) -> None:
    """Only the dead worker's leases lapse."""
    mine, others = client.submit(), client.submit()
    begin(client, mine.id, lease_s=3, worker="dead")
    begin(client, others.id, lease_s=3, worker="alive")
    recovery.recover("dead", client.redis)
    assert waiting(client) == [mine.id]
    assert client.leftovers()["started"] == 1


def test_overtaken_claim_writes_nothing_when_a_new_one_exists(client: Client) -> None:
    """A worker that was taken for dead and wakes up is refused, whatever it tries."""
    ledger, spec = Ledger(client.redis), client.submit()
    old = ledger.claim(spec.id, "old")
    assert not isinstance(old, Unclaimed)
    new = ledger.claim(spec.id, "new")
    assert not isinstance(new, Unclaimed)
    assert new.attempts == 2
    assert ledger.settle(spec.id, old.token, CANCELED) is SettleAnswer.NOT_OURS
    assert not ledger.release(old)
    assert ledger.settle(spec.id, new.token, CANCELED) is SettleAnswer.ENDED
    assert ledger.claim(spec.id, "late") is Unclaimed.SETTLED
    assert ledger.claim("unheard-of", "token") is Unclaimed.MISSING


def test_job_that_shall_be_canceled_ends_when_it_is_given_back(client: Client) -> None:
    """The request came when its worker had stopped looking for one. The next worker may
    have no room for long; it finds an entry of an ended job."""
    spec = client.submit()
    token = begin(client, spec.id, lease_s=60)
    assert client.cancel(spec.id) == "canceling"
    ledger = Ledger(client.redis)
    assert not ledger.release(Claim(spec.id, token, last_seq=0))
    assert client.wait_end(spec.id).status is JobStatus.CANCELED
    assert ledger.claim(spec.id, "late") is Unclaimed.SETTLED


def test_arithmetic_is_kept_when_workers_of_other_kinds_take_over(
    client: Client,
) -> None:
    """Each kind once, in the order in which they drew: where there are two, the bytes are a mixture."""
    spec = client.submit()
    assert client.record(spec.id).numerics is None
    for numerics in ("cpu-compiled", "cpu-compiled", "cuda-torch", "cpu-compiled"):
        Ledger(client.redis, numerics).claim(spec.id, "token")
    assert client.record(spec.id).numerics == "cpu-compiled, cuda-torch"


def test_nothing_is_lost_when_a_worker_is_given_up_in_the_middle_of_a_pass(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """RQ ends a pass by removing every lease that lapsed before it began; those given up meanwhile did not."""
    lapsed, given_up = client.submit(), client.submit()
    begin(client, lapsed.id, lease_s=-1, worker="dead")
    begin(client, given_up.id, lease_s=3, worker="dying")
    pass_ = recovery.Recovery(client.redis)
    look = pass_._started.get_expired_job_ids

    def look_and_be_overtaken(*arguments: float) -> list[str]:
        found = look(*arguments)
        recovery.Recovery(client.redis).expire_worker("dying")
        return found

    monkeypatch.setattr(pass_._started, "get_expired_job_ids", look_and_be_overtaken)
    pass_.expire_leases()
    assert waiting(client) == [lapsed.id]
    recovery.Recovery(client.redis).expire_leases()
    assert set(waiting(client)) == {lapsed.id, given_up.id}


def test_open_job_is_found_when_nobody_has_it(client: Client) -> None:
    """Whatever took it out of every list: it goes back to the queue, or ends where RQ knows nothing of it any more."""
    stray, gone, queued, held = (client.submit() for _ in range(4))
    begin(client, stray.id, lease_s=3)
    client.redis.delete(client.queue.started_job_registry.key)
    take(client, gone.id)
    client.redis.delete(client.queue.intermediate_queue_key, f"rq:job:{gone.id}")
    client.redis.lrem(client.queue.key, 1, held.id)
    client.redis.lpush(client.queue.key, held.id)
    begin(client, held.id, lease_s=3)
    for spec in (stray, gone, queued, held):
        client.redis.zadd(keys.OPEN, {f"{spec.work}:{spec.id}:me": 1})
        client.redis.hset(keys.job(spec.id), "queue", client.queue.key)
    recovery_ = recovery.Recovery(client.redis)
    recovery_.sweep_strays(older_than_s=60)
    recovery_.sweep_strays(older_than_s=60)
    assert waiting(client) == [queued.id]
    recovery_.sweep_strays(older_than_s=0)
    assert waiting(client) == [stray.id, queued.id]
    assert client.wait_end(gone.id).status is JobStatus.FAILED
    assert client.status(held.id) is JobStatus.RUNNING


def test_one_worker_looks_for_strays_and_another_when_it_is_gone(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All would read the whole queue for the same answer."""
    sweeps: list[str] = []
    first, second = recovery.Recovery(client.redis), recovery.Recovery(client.redis)
    for name, one in (("first", first), ("second", second)):
        monkeypatch.setattr(
            one, "sweep_strays", lambda _, name=name: sweeps.append(name)
        )

    def turn() -> None:
        for one in (first, second):
            one._next_sweep_at = 0.0
            one.run_once()

    turn()
    turn()
    client.redis.delete(keys.sweep_lock(client.queue.name))  # as when its time is over
    second._next_sweep_at = 0.0
    second.run_once()
    turn()
    assert sweeps == ["first", "first", "second", "second"]


def test_strays_are_found_in_pieces(
    client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among many that wait, whatever the pieces' ends."""
    monkeypatch.setattr(strays, "PIECE", 3)
    specs = [client.submit() for _ in range(10)]
    for spec in specs:
        client.redis.zadd(keys.OPEN, {f"{spec.work}:{spec.id}:me": 1})
        client.redis.hset(keys.job(spec.id), "queue", client.queue.key)
    lost = [specs[i].id for i in (0, 2, 3, 9)]
    for job_id in lost:
        client.redis.lrem(client.queue.key, 1, job_id)
    recovery.Recovery(client.redis).sweep_strays(older_than_s=0)
    assert sorted(waiting(client)) == sorted(spec.id for spec in specs)


def die(
    client: Client, job_id: str, draw: Callable[[Claim], object] = lambda _: None
) -> None:
    """A worker takes the job, draws a part of it and dies; its lease has lapsed."""
    token = begin(client, job_id, lease_s=-1)
    draw(Claim(job_id, token, int(client.redis.hget(keys.job(job_id), "last_seq"))))
    recovery.Recovery(client.redis).expire_leases()


def test_job_outlives_any_number_of_workers_when_each_drew_a_part(
    client: Client,
) -> None:
    """A death counts against a job only where nothing was drawn since the one before: rows, or a share of its work."""
    ledger, spec = Ledger(client.redis), client.submit(n=5)
    for death in range(keys.CRASHES_FORGIVEN):
        die(
            client,
            spec.id,
            lambda claim: ledger.append([Batch(claim, claim.last_seq + 1, ("a row",))]),
        )
        die(
            client,
            spec.id,
            lambda claim, share=(death + 1) / 100: ledger.progress(
                [(claim, Progress(share))]
            ),
        )
        assert waiting(client) == [spec.id]
    for _ in range(keys.CRASHES_FORGIVEN):
        die(client, spec.id)
    assert client.status(spec.id) is JobStatus.RUNNING
    die(client, spec.id)
    record = client.record(spec.id)
    assert (record.status, record.error and record.error.type) == (
        JobStatus.FAILED,
        "worker-lost",
    )


def test_names_of_killed_workers_are_forgotten(client: Client) -> None:
    """Of those that no supervisor saw die. A worker that lives, or goes on after a
    pause, is in every list."""
    workers = {}
    for name in ("dead", "paused", "live"):
        info = WorkerInfo(
            name=name, device="cpu", slots=1, models=(GREY,), started_at=1.0
        )
        announcement = Announcement(info)
        announcement.beat(client.redis)
        worker = RqWorker(keys.QUEUE, client.redis, name)
        worker.register_birth()
        workers[name] = announcement, worker
    for name in ("dead", "paused"):
        # Their lifetimes end.
        client.redis.delete(keys.worker(name), f"rq:worker:{name}")

    recovering = recovery.Recovery(client.redis)
    assert recovering.run_once()
    queue = f"rq:workers:{keys.QUEUE}"
    assert client.redis.smembers(keys.WORKERS) == {b"live"}
    assert client.redis.smembers("rq:workers") == {b"rq:worker:live"}
    assert client.redis.smembers(queue) == {b"rq:worker:live"}

    announcement, worker = workers["paused"]
    announcement.beat(client.redis)
    with client.redis.pipeline() as pipeline:
        worker.heartbeat(pipeline=pipeline)
        pipeline.execute()
    recovering.forget_dead_workers()
    assert client.redis.smembers(keys.WORKERS) == {b"live", b"paused"}
    assert client.redis.smembers(queue) == {b"rq:worker:live", b"rq:worker:paused"}


def test_ended_jobs_leave_the_queues_books_when_their_time_is_over(
    client: Client,
) -> None:
    """RQ keeps no more of them than it promised to: else the lists would grow for ever."""
    now = redis_time(client.redis)
    registries = (
        client.queue.finished_job_registry.key,
        client.queue.failed_job_registry.key,
    )
    for key in registries:
        client.redis.zadd(key, {"old": now - 1, "young": now + 60})
    recovery.Recovery(client.redis).run_once()
    assert [client.redis.zrange(key, 0, -1) for key in registries] == [[b"young"]] * 2
