"""A worker and the process that draws for it: neither outlives the other, and no job is lost when one of them dies."""

import os
import resource
import signal
from pathlib import Path
from typing import Any

import numpy as np

from model_core import load_model, sample, save_model, untrained
from model_core.data.pixels import values_to_pixels
from model_core.posterior.plan import given_behind
from tests.house.processes import is_alive
from tests.worker.harness import PROGRAM, Client, StartWorker, wait_for
from worker.contract import keys
from worker.contract.cards import WorkerInfo
from worker.contract.traits import Method
from worker.process.crash import EXIT_CRASHED

ROOM = 24 * 2**20
"""Bytes that are no lack: for whatever else the engine's process does, the stacks of threads that begin late too."""


def test_job_goes_on_elsewhere_when_the_engine_is_killed(
    client: Client, start_worker: StartWorker, models_dir: Path
) -> None:
    """As by the system when memory runs out: the worker says so and ends, and the bytes are those of an undisturbed
    run."""
    model: dict[str, Any] = {"models": "tiny-diagonal"}
    doomed = start_worker(**model, step_delay_s=0.1, slots=4)
    spec = client.submit(model="tiny-diagonal", n=24)
    client.wait_rows(spec.id, 5)
    os.kill(doomed.engine(), signal.SIGKILL)
    assert doomed.wait() == EXIT_CRASHED
    (crash,) = [
        event for event in doomed.events() if event["event"] == "thread_crashed"
    ]
    assert "ended with signal 9" in crash["exception"]
    start_worker(**model)
    client.succeeded(spec)
    drawn = sample(load_model("tiny-diagonal", models_dir=models_dir), 24, spec.seed)
    expected = values_to_pixels(drawn.numpy(), 2).transpose(0, 2, 3, 1)
    np.testing.assert_array_equal(client.images(spec), expected)
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


def test_engine_ends_when_its_worker_is_killed_while_it_loads_its_models(
    start_worker: StartWorker,
) -> None:
    """Nothing goes on for nobody."""
    worker = start_worker(ready=False, command=PROGRAM)
    engine = worker.engine()
    worker.kill()
    wait_for(lambda: not is_alive(engine), "the engine's end")


def test_program_announces_its_models_and_keeps_to_its_processor(
    client: Client, start_worker: StartWorker
) -> None:
    """Each model has a card with its weights' digest. The worker's own threads keep off the engine's processor, if
    there is another. Ctrl-C, which a terminal sends to both processes, leaves no engine."""
    ours = os.sched_getaffinity(0)
    named = max(ours)
    worker = start_worker(command=PROGRAM, engine_cpus=named, slots=5)
    info = WorkerInfo.model_validate_json(client.redis.get(keys.worker("w1")))
    assert (info.name, info.device, info.slots) == ("w1", "cpu", 5)
    names = ["tiny-cnn", "tiny-diagonal", "tiny-rgb", "tiny-scales"]
    digests = {name: client.spec(name).digest for name in names}
    assert {card.name: card.digest for card in info.models} == digests
    assert [card.name for card in info.models] == names
    assert client.redis.sismember(keys.WORKERS, "w1")

    engine = worker.engine()
    assert os.sched_getaffinity(engine) == {named}
    threads = [int(thread.name) for thread in Path(f"/proc/{engine}/task").iterdir()]
    assert {frozenset(os.sched_getaffinity(thread)) for thread in threads} == {
        frozenset({named})
    }
    assert os.sched_getaffinity(worker.process.pid) == (ours - {named} or ours)
    for process in (engine, worker.process.pid):
        os.kill(process, signal.SIGINT)
    assert worker.wait() == 0
    assert not is_alive(engine)


def test_worker_exits_with_two_when_its_settings_are_wrong(
    start_worker: StartWorker, tmp_path: Path
) -> None:
    """One line says why: no models, a name or a processor that is not there, a number below zero."""
    (tmp_path / "empty").mkdir()
    wrong: tuple[dict[str, Any], ...] = (
        {"models_dir": tmp_path / "empty"},
        {"models": "unheard-of"},
        {"slots": -1},
        {"engine_cpus": 5000},
    )
    for settings in wrong:
        worker = start_worker(ready=False, **settings)
        assert worker.wait() == 2
        assert len(worker.log.read_text().splitlines()) == 1
    assert "nothing can run on processor 5000 here" in worker.log.read_text()
