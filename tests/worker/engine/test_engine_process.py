"""A worker and the process that draws for it: neither outlives the other, and no job is lost when one of them dies."""

import os
import resource
import signal
from pathlib import Path

import numpy as np

from model_core import save_model, untrained
from model_core.posterior.plan import given_behind
from tests.worker.harness import PROGRAM, Client, StartWorker, wait_for
from worker.contract.traits import Method
from worker.process.crash import EXIT_CRASHED

VERY_SLOW = 1.0
"""Seconds before each row: long enough for another worker to start meanwhile."""

ROOM = 24 * 2**20
"""Bytes that are no lack: for whatever else the engine's process does, the stacks of threads that begin late too."""


def is_gone(pid: int) -> bool:
    """Ended, whether or not someone has asked how."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"


def test_job_goes_on_elsewhere_when_the_engine_is_killed(
    client: Client, start_worker: StartWorker
) -> None:
    """As by the system when memory runs out: the worker says so and ends, and the bytes are those of an undisturbed
    run."""
    doomed = start_worker(step_delay_s=VERY_SLOW, slots=4)
    spec = client.submit(model="tiny-diagonal", n=96)
    client.wait_rows(spec.id, 5)
    start_worker(slots=3)
    os.kill(doomed.engine(), signal.SIGKILL)
    assert doomed.wait() == EXIT_CRASHED
    (crash,) = [
        event for event in doomed.events() if event["event"] == "thread_crashed"
    ]
    assert "ended with signal 9" in crash["exception"]
    client.succeeded(spec)
    again = client.submit(model="tiny-diagonal", n=96, seed=spec.seed)
    client.wait_end(again.id)
    np.testing.assert_array_equal(client.images(spec), client.images(again))
    client.wait_idle()


def test_no_job_fails_when_the_engine_lacks_memory(
    redis_url: str, start_worker: StartWorker, tmp_path: Path
) -> None:
    """It ends, the worker gives its jobs back and ends too, and another goes on with them.

    A death is counted only against those whose work met the lack: there is room for all but the particles."""
    size = {"height": 28, "width": 28, "layers": 2, "hidden": 64, "head": 8}
    save_model(
        untrained("mnist-pixelcnn", seed=1, **size), tmp_path / "models" / "wide"
    )
    client = Client(redis_url, tmp_path / "models")
    doomed = start_worker(slots=4, models_dir=tmp_path / "models")
    held = int(
        Path(f"/proc/{doomed.engine()}/statm").read_text().split()[5]
    ) * os.sysconf("SC_PAGE_SIZE")
    resource.prlimit(doomed.engine(), resource.RLIMIT_DATA, (held + ROOM, held + ROOM))
    keep = np.ones((28, 28), np.uint8)
    keep[1:3, :5] = 0
    spec = client.submit(
        bytes(28 * 28),
        keep.tobytes(),
        model="wide",
        kind="complete",
        method=Method.POSTERIOR,
        version=2,
        filled_pixels=10,
        given_behind=given_behind(keep.astype(bool)),
        particles=256,
    )
    assert doomed.wait() == EXIT_CRASHED
    start_worker(models_dir=tmp_path / "models")
    client.succeeded(spec)
    assert client.attempts(spec.id) == 2
    assert "engine_out_of_memory" in [event["event"] for event in doomed.events()]


def test_engine_ends_when_its_worker_is_killed(
    client: Client, start_worker: StartWorker
) -> None:
    """In the middle of a job as well as while it loads its models: nothing goes on drawing for nobody."""
    working = start_worker(step_delay_s=0.1)
    loading = start_worker(ready=False, command=PROGRAM)
    spec = client.submit(n=6)
    client.wait_rows(spec.id, 1)
    for worker in (loading, working):
        engine = worker.engine()
        worker.kill()
        wait_for(lambda engine=engine: is_gone(engine), "the engine's end")


def test_no_engine_is_left_when_the_worker_is_told_to_stop(
    start_worker: StartWorker,
) -> None:
    """By the terminal, which tells both at once, or by a supervisor, which tells the worker only."""
    for number in (signal.SIGINT, signal.SIGTERM):
        worker = start_worker()
        engine = worker.engine()
        if number == signal.SIGINT:
            os.kill(engine, number)
        worker.process.send_signal(number)
        assert worker.wait() == 0
        assert is_gone(engine)


def test_engine_has_its_processor_alone_when_one_is_named(
    start_worker: StartWorker,
) -> None:
    """The worker's own threads keep off it, if there is another.

    One that is not there is an error in the settings."""
    ours = os.sched_getaffinity(0)
    named = max(ours)
    others = frozenset(ours - {named} or ours)
    worker = start_worker(command=PROGRAM, engine_cpus=named)
    engine = worker.engine()
    assert os.sched_getaffinity(engine) == {named}
    threads = [int(thread.name) for thread in Path(f"/proc/{engine}/task").iterdir()]
    assert {frozenset(os.sched_getaffinity(thread)) for thread in threads} == {
        frozenset({named})
    }
    assert os.sched_getaffinity(worker.process.pid) == others
    refused = start_worker(ready=False, engine_cpus=5000)
    assert refused.wait() == 2
    assert "nothing can run on processor 5000 here" in refused.log.read_text()
