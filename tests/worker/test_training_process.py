"""Trainings from the request to the served model's files: a real API, Redis and trainer, on a handful of pictures."""

import contextlib
import io
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image
from redis import Redis

from app.access.api_keys import KeyEntry, digest_of
from app.settings import Settings
from model_core.card import Card
from model_core.models import save_model, untrained
from model_core.training.teaching import FEWEST_UPDATES
from tests.app.hand_worker import COLOUR, GREY, HandWorker
from tests.app.live import events_of, serving
from tests.corners import pictures, unbroken_digest
from tests.house.processes import children_of, is_alive, is_stopped
from tests.nursery import Forked
from tests.older_state import Snapshot
from tests.worker.harness import wait_for
from worker.contract import keys
from worker.contract.added import OWNER, JobFiles, Owner, private_owner
from worker.engine.teaching_start import NICE
from worker.process.channel import Channel
from worker.settings import Settings as TrainerSettings
from worker.teaching_link import ATTEMPTS, TeachingLink

LONG_S = 300.0
pytestmark = pytest.mark.timeout(600)
MANY = 300
"""Pictures, of which hundreds of updates are made, in some seconds."""


class Trainer:
    """A trainer's process."""

    def __init__(self, redis_url: str, added: Path, log: Path, **more: str) -> None:
        ours = {
            "REDIS_URL": redis_url,
            "PIXELRNN_ADDED_DIR": str(added),
            "OMP_NUM_THREADS": "1",
            **more,
        }
        self.process = Forked(["worker.start", "trainer"], {**os.environ, **ours}, log)

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Place:
    """An API with keys of alice and bob, who may train, its added models, and trainers."""

    def __init__(self, url: str, redis_url: str, folder: Path) -> None:
        self.url, self.redis_url, self.folder = url, redis_url, folder
        self.added = folder / "added"
        self.redis: Any = Redis.from_url(redis_url)
        self.trainers: list[Trainer] = []

    def client(self, name: str = "alice") -> httpx.Client:
        return httpx.Client(
            base_url=self.url, headers={"X-API-Key": f"{name}-key"}, timeout=60
        )

    def start(self, **more: str) -> Trainer:
        self.trainers.append(
            Trainer(self.redis_url, self.added, self.folder / "trainer.log", **more)
        )
        return self.trainers[-1]

    def train(
        self, client: httpx.Client, name: str, count: int = 24, **fields: Any
    ) -> str:
        answer = self.post(client, name, count, **fields)
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def post(
        self, client: httpx.Client, name: str, count: int = 24, **fields: Any
    ) -> httpx.Response:
        files = {"images": ("mine.zip", pictures(count))}
        return client.post(
            "/train",
            files=files,
            data={
                "name": name,
                "minutes": 1 if count > 24 else 0.05,
                "publish_anyway": True,
                **fields,
            },
        )

    def ended(self, client: httpx.Client, job_id: str) -> dict[str, Any]:
        """The job's document once it has ended."""

        def look() -> Any:
            job = client.get(f"/jobs/{job_id}").json()
            return job if job["status"] in ("succeeded", "failed", "canceled") else None

        return wait_for(
            look,
            f"the end of {job_id}: {(self.folder / 'trainer.log').read_text()[-2000:]}",
            LONG_S,
        )

    def wait_for_file(self, job_id: str, name: str) -> Path:
        def look() -> Path | None:
            return next((self.added / "uploads" / job_id).glob(name), None)

        return wait_for(
            look, f"{name}: {(self.folder / 'trainer.log').read_text()[-2000:]}", LONG_S
        )

    def uploads(self) -> list[str]:
        return [path.name for path in self.added.glob("uploads/*")]

    def wait_until_clean(self) -> None:
        wait_for(lambda: self.uploads() == [], "the end of the last upload")

    def models(self) -> list[str]:
        return [path.name for path in self.added.glob("models/*")]


@pytest.fixture
def place(redis_url: str, tmp_path: Path) -> Iterator[Place]:
    entries = tuple(
        KeyEntry(name=name, sha256=digest_of(f"{name}-key"), may=("train",))
        for name in ("alice", "bob")
    )
    given = Settings(
        redis_url=redis_url,
        port=0,
        fleet_age_s=0,
        api_keys=entries,
        added_dir=tmp_path / "added",
        host="127.0.0.1",
    )
    with serving(given) as (url, _):
        there = Place(url, redis_url, tmp_path)
        HandWorker(redis_url).announce()  # or no name may be taken
        HandWorker(redis_url).leave()
        yield there
        for trainer in there.trainers:
            trainer.kill()
        there.redis.close()


def test_pictures_become_a_model_that_their_owner_alone_sees(place: Place) -> None:
    """It is told how far it is, with a grid; the end says how good it is; no picture is left, and no file's name."""
    decoy = save_model(
        untrained("mnist-diagonal-bilstm"),
        place.added / "models" / "mnist-diagonal-bilstm",
    )
    with place.client() as client, place.client("bob") as other:
        job_id = place.train(client, "corners")
        assert (
            client.get(f"/jobs/{job_id}").json()["waits_for"]
            == "a trainer: none is there"
        )
        place.start()
        told: dict[str, Any] = {}
        with client.stream("GET", f"/jobs/{job_id}/events") as stream:
            for event in events_of(stream):
                told[event.name] = event.data
        assert told["done"]["status"] == "succeeded", told
        progress, result = told["progress"], told["done"]["result"]
        assert progress["share"] > 0
        assert progress["minutes_left"] is not None
        assert result["uniform_bits"] == progress["uniform_bits"] == 1
        assert 0 < result["nats"] <= progress["nats"]
        assert result["valid_images"] >= 1
        if result["valid_images"] > 1:
            per_bit = result["nats"] / result["bits_per_dim"]
            error = result["bits_standard_error"] * per_bit
            assert error == pytest.approx(result["standard_error"])
        is_poor = result["updates"] < FEWEST_UPDATES or result["bits_per_dim"] >= 1
        assert bool(result["warning"]) == is_poor
        grid = client.get(f"/jobs/{job_id}/image")
        assert Image.open(io.BytesIO(grid.content)).size == (35, 35)
        assert told["picture"]["png"]
        place.wait_until_clean()
        figures = client.get("/metrics").text
        assert f"pixelrnn_trained_updates_total {result['updates']}.0" in figures
        assert "pixelrnn_open_trainings 0.0" in figures
        assert "corners" not in figures
        assert sorted(place.models()) == ["corners", "mnist-diagonal-bilstm"]
        assert private_owner(place.added / "models" / "corners") == "alice"
        card = (place.added / "models" / "corners" / "card.json").read_text()
        start = json.loads(card)["training"]["start"]
        assert start["model"] == "mnist-diagonal-bilstm"
        assert start["sha256"] != decoy.sha256, "it chooses among shipped models only"
        assert json.loads(card)["sha256"] == result["digest"]
        assert "secret" not in card
        assert "mine" not in card
        assert (
            other.get(f"/jobs/{job_id}").status_code
            == other.get("/models/corners/download").status_code
            == 404
        )
        assert other.get("/jobs").json()["jobs"] == []


def test_model_of_little_use_is_not_served(place: Place) -> None:
    """If there is a warning, nobody gets the model and its name is free; the job has its draws. So few updates try no
    mirrors."""
    with place.client() as client:
        job_id = place.train(client, "noise", publish_anyway=False)
        place.start()
        job = place.ended(client, job_id)
        assert job["status"] == "succeeded", job
        is_served = not job["result"]["warning"]
        assert job["result"]["published"] is is_served
        assert job["result"]["mirrors"] == []
        assert client.get(f"/jobs/{job_id}/image").status_code == 200
        place.wait_until_clean()
        assert place.models() == (["noise"] if is_served else [])
        again = place.post(client, "noise")
        assert again.status_code == (409 if is_served else 202), again.text


def test_a_training_that_succeeded_succeeds_again_when_redis_is_restored(
    place: Place,
) -> None:
    """Redis comes back with a state of before the end: a backup, or a replica that
    lagged. The model is served, and its files are all that is left."""
    with place.client() as client:
        job_id = place.train(client, "corners")
        place.start()
        place.wait_for_file(job_id, "run/corners/best.safetensors")
        older = Snapshot(place.redis)
        result = place.ended(client, job_id)["result"]
        place.wait_until_clean()
        place.trainers.pop().kill()
        older.restore()
        assert client.get(f"/jobs/{job_id}").json()["status"] == "running"
        place.start()
        job = place.ended(client, job_id)
        assert (job["status"], job["result"]) == ("succeeded", result)
        assert place.models() == ["corners"]
        wait_for(lambda: place.uploads() == [], "no upload")


@pytest.mark.parametrize(
    ("status", "is_kept"),
    [(None, True), ("succeeded", True), ("failed", False), ("canceled", False)],
)
def test_the_sweep_deletes_a_model_only_if_its_job_did_not_succeed(
    place: Place, status: str | None, is_kept: bool
) -> None:
    """A record that is missing says nothing: it expires, a client deletes it, or Redis
    loses it. The working files go in any case."""
    files = JobFiles(place.added, "job", "corners")
    files.run.mkdir(parents=True)
    files.model.mkdir(parents=True)
    (files.model / OWNER).write_text(Owner(owner="alice", job="job").model_dump_json())
    os.utime(files.place, (0, 0))
    HandWorker(place.redis_url).announce()
    if status is not None:
        place.redis.hset(keys.job("job"), "status", status)
    link = TeachingLink(
        TrainerSettings(redis_url=place.redis_url, added_dir=place.added)
    )
    link.start(None, None, {})
    try:
        wait_for(lambda: place.uploads() == [], "the sweep")
    finally:
        link.stop(0)
    assert place.models() == (["corners"] if is_kept else [])


def others_of(training: int) -> list[int]:
    """The other processes of a training's group."""
    found = children_of(training)
    return [pid for pid, line in found.items() if "training.launched" in line]


def scheduling_of(process: int) -> dict[int, tuple[int, int, frozenset[int]]]:
    """Niceness, scheduling class and processors of each thread of a process."""
    found = {}
    for entry in Path(f"/proc/{process}/task").iterdir():
        thread = int(entry.name)
        with contextlib.suppress(ProcessLookupError):  # it has ended meanwhile
            found[thread] = (
                os.getpriority(os.PRIO_PROCESS, thread),
                os.sched_getscheduler(thread),
                frozenset(os.sched_getaffinity(thread)),
            )
    return found


@pytest.mark.skipif(sys.platform != "linux", reason="RLIMIT_DATA is Linux's")
def test_a_training_by_several_processes_gives_the_weights_of_one(
    place: Place, tmp_path: Path
) -> None:
    """Though one of them was lost, and all were stopped when the trainer was killed. They
    divide processors and memory, and give way to everything else."""
    usable = sorted(os.sched_getaffinity(0))
    two = {"PIXELRNN_ENGINE_CPUS": ",".join(map(str, usable[:2]))}
    if len(usable) < 2:
        pytest.skip("this machine has one processor")
    with place.client() as client:
        job_id = place.train(client, "corners", MANY)
        place.start()
        plan_file = place.wait_for_file(job_id, "plan.json")
        place.trainers.pop().kill()
        shutil.rmtree(plan_file.parent / "run" / "corners")
        (plan_file.parent / "run" / "corners").mkdir()
        plan = json.loads(plan_file.read_bytes())
        length = {"epochs": 3, "epoch_updates": 25, "warmup": 0}
        plan["recipe"]["training"] |= {"shares": 4, **length}
        plan["process_bytes"] = 200 * 2**20
        plan_file.write_text(json.dumps(plan))
        shutil.copytree(plan_file.parent / "pictures", tmp_path / "pictures")

        trainer = place.start(**two, PIXELRNN_TRAINING_MIB="1000")
        (training,) = wait_for(lambda: children_of(trainer.process.pid), "the training")
        place.wait_for_file(job_id, "run/corners/last.safetensors")
        (lost,) = others_of(training)
        assert os.getpgid(lost) == training
        # Linux weighs processes of one session against each other by their niceness, and
        # may weigh those of different sessions without it.
        assert os.getsid(lost) == os.getsid(training) == os.getsid(trainer.process.pid)
        low = min(19, os.getpriority(os.PRIO_PROCESS, 0) + NICE)
        gives_way = low, os.SCHED_BATCH, frozenset(usable[:2])
        for process in (training, lost):
            threads = scheduling_of(process)
            assert process in threads
            assert set(threads.values()) == {gives_way}
        bound, _ = resource.prlimit(training, resource.RLIMIT_DATA)
        assert bound > 500 * 2**20
        assert resource.prlimit(lost, resource.RLIMIT_DATA)[0] == bound
        os.kill(lost, signal.SIGKILL)
        wait_for(lambda: not is_alive(training), "the end of its group")

        def new_process() -> set[int]:
            return set(children_of(trainer.process.pid)) - {training}

        (again,) = wait_for(new_process, "another process")
        (other,) = wait_for(lambda: others_of(again), "its other process")
        place.redis.hset(keys.LOAD, "work", 1)
        wait_for(lambda: is_stopped(again) and is_stopped(other), "the stop of both")
        trainer.kill()
        wait_for(lambda: not (is_alive(again) or is_alive(other)), "the end of both")
        place.redis.hdel(keys.LOAD, "work")

        place.start(PIXELRNN_ENGINE_CPUS=str(usable[0]))
        result = place.ended(client, job_id)["result"]
    assert unbroken_digest(plan["recipe"], tmp_path) == result["digest"]


def test_a_training_whose_process_keeps_dying_fails_and_its_trainer_goes_on(
    place: Place,
) -> None:
    """Each death is a failed attempt of that job alone: as of a process that the kernel
    kills because the machine has no memory left. The next job is trained."""
    with place.client() as client:
        job_id = place.train(client, "corners", MANY, minutes=20)
        trainer = place.start()
        killed: set[int] = set()

        def new_process() -> int | None:
            found = set(children_of(trainer.process.pid)) - killed
            return next(iter(found), None)

        for _ in range(ATTEMPTS):
            training = wait_for(new_process, "its process", LONG_S)
            killed.add(training)
            os.kill(training, signal.SIGKILL)
        job = place.ended(client, job_id)
        assert (job["status"], job["error"]["type"]) == ("failed", "training-failed")
        assert f"started {ATTEMPTS} times" in job["error"]["detail"]
        assert "signal 9" in job["error"]["detail"]
        assert new_process() is None
        assert trainer.process.poll() is None
        place.wait_until_clean()
        assert place.models() == []
        assert place.ended(client, place.train(client, "corners"))["status"] == (
            "succeeded"
        )


def test_a_training_ends_when_calls_for_its_model_are_accepted(place: Place) -> None:
    """A worker first has to find and load it: a call right after the end of the job is
    answered with the model's job, and not with 404."""
    hand = HandWorker(place.redis_url)
    with place.client() as client:
        job_id = place.train(client, "corners")
        place.start()

        def is_published() -> bool:
            hand.announce(GREY)
            return place.models() == ["corners"]

        wait_for(is_published, "the model", LONG_S)
        for _ in range(20):
            assert client.get(f"/jobs/{job_id}").json()["status"] == "running"
            time.sleep(0.05)
        card = GREY.model_copy(
            update={"name": "corners", "owner": "alice", "job": job_id}
        )
        hand.announce(GREY, card.model_copy(update={"compiling": True}))
        assert place.ended(client, job_id)["status"] == "succeeded"
        answer = client.post("/sample", json={"model": "corners"})
        assert answer.status_code == 202
        assert "corners to be loaded" in answer.json()["waits_for"]


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's death"
)
def test_a_training_whose_trainer_dies_in_its_first_moments_is_not_left_stopped(
    place: Place,
) -> None:
    """It is stopped because others draw, as soon as it may be: before torch is
    imported. Here both are programs, since those that are forked import nothing."""
    place.redis.hset(keys.LOAD, "work", 1)
    with place.client() as client:
        place.train(client, "corners", MANY)
        with (place.folder / "trainer.log").open("wb") as log:
            trainer = subprocess.Popen(
                [sys.executable, "-P", "-m", "worker.start", "trainer"],
                env={
                    **os.environ,
                    "REDIS_URL": place.redis_url,
                    "PIXELRNN_ADDED_DIR": str(place.added),
                },
                stderr=log,
            )
        try:
            (training,) = wait_for(lambda: children_of(trainer.pid), "its process")
            wait_for(lambda: is_stopped(training), "its stop")
        finally:
            trainer.kill()
            trainer.wait()
        wait_for(lambda: not is_alive(training), "its end: nobody else would end it")


def test_a_process_that_is_told_to_stop_goes_on_and_has_not_failed(
    place: Place,
) -> None:
    """Service managers signal a trainer and its children together."""
    with place.client() as client:
        job_id = place.train(client, "corners", MANY)
        trainer = place.start()
        place.wait_for_file(job_id, "run/corners/last.safetensors")
        (first,) = children_of(trainer.process.pid)
        os.kill(first, signal.SIGTERM)
        wait_for(
            lambda: set(children_of(trainer.process.pid)) - {first}, "the next one"
        )
        assert not [*(place.added / "uploads" / job_id).glob("deaths")]
        place.wait_for_file(job_id, "run/corners/best.safetensors")
        client.post(f"/jobs/{job_id}/finish").raise_for_status()
        assert place.ended(client, job_id)["status"] == "succeeded"


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"),
    reason="this system keeps no process to a processor",
)
def test_a_training_runs_where_the_engine_does(place: Place) -> None:
    """It is stopped while that draws, and holds up nobody else meanwhile: the trainer itself, API and Redis."""
    usable = os.sched_getaffinity(0)
    engine = max(usable)
    with place.client() as client:
        job_id = place.train(client, "beside", MANY)
        trainer = place.start(PIXELRNN_ENGINE_CPUS=str(engine))
        (training,) = wait_for(lambda: children_of(trainer.process.pid), "the training")
        wait_for(lambda: os.sched_getaffinity(training) == {engine}, "its processor")
        assert os.sched_getaffinity(trainer.process.pid) == (
            usable - {engine} or usable
        )
        client.post(f"/jobs/{job_id}/cancel").raise_for_status()
    place.wait_until_clean()


def test_trainings_are_told_of_each_job_that_draws(place: Place) -> None:
    """At once, and before any worker has it; not of other trainings."""
    HandWorker(place.redis_url).announce()
    heard = Channel(place.redis, keys.WORK_CHANNEL)
    heard.next(0)
    with place.client() as client:
        place.train(client, "one")
        job_id = (
            client.post("/sample", json={"model": "grey"})
            .raise_for_status()
            .json()["id"]
        )
    assert wait_for(lambda: heard.next(1), "a word") == job_id.encode()


def test_a_training_begins_with_a_model_that_its_owner_sees(
    place: Place, tmp_path: Path
) -> None:
    """Of one that was added, by its name, which the card says and no place; and one picture is learned in parts."""
    sizes = {"layers": 1, "hidden": 6, "head": 6, "height": 8, "width": 8}
    save_model(untrained("cifar10-pixelcnn", **sizes), place.added / "models" / "first")
    picture, png = Image.radial_gradient("L").resize((120, 60)), io.BytesIO()
    picture.save(png, "PNG")
    hand = HandWorker(place.redis_url)
    identity = Card.read(place.added / "models" / "first" / "card.json").identity
    first = COLOUR.model_copy(update={"name": "first", "identity": identity})
    with place.client() as client, place.client("bob") as other:
        fields = {
            "name": "second",
            "minutes": 0.05,
            "start": "first",
            "crops": "true",
            "size": "8x8",
            "publish_anyway": "true",
        }
        hand.announce(first.model_copy(update={"owner": "bob"}))
        sent: Any = {"files": {"images": ("one.png", png.getvalue())}, "data": fields}
        assert client.post("/train", **sent).json()["type"].endswith("unknown-model")
        hand.announce(first)
        wrong = {**sent, "data": {**fields, "values": 4}}
        assert "which the model has" in client.post("/train", **wrong).json()["detail"]
        job_id = client.post("/train", **sent).raise_for_status().json()["id"]
        place.start()
        made = place.added / "models" / "second" / "card.json"
        wait_for(made.exists, "the model", LONG_S)
        card = Card.read(made)
        # The job waits until a worker that draws has the model.
        second = {"name": "second", "identity": card.identity, "job": job_id}
        hand.announce(first, first.model_copy(update=second))
        job = place.ended(client, job_id)
        assert job["status"] == "succeeded", job
        assert other.get("/models/second/download").status_code == 404
    assert (card.config.layers, card.config.channels, card.config.width) == (1, 3, 8)
    assert str(place.added) not in made.read_text()


@pytest.mark.parametrize("stage", ["queued", "taken", "trained"])
def test_a_canceled_training_leaves_nothing(place: Place, stage: str) -> None:
    """No pictures, no checkpoint, no model, no grid; and its name is free."""
    with place.client() as client:
        job_id = place.train(client, "corners", MANY)
        if stage != "queued":
            place.start()
            place.wait_for_file(
                job_id, "lock" if stage == "taken" else "run/corners/best.safetensors"
            )
        with client.stream("GET", f"/jobs/{job_id}/events") as stream:
            client.post(f"/jobs/{job_id}/cancel").raise_for_status()
            assert [event.name for event in events_of(stream)][-1] == "canceled"
        assert (place.uploads(), place.models()) == ([], [])
        assert client.get(f"/jobs/{job_id}/image").status_code == 404
        assert place.post(client, "corners").status_code == 202


def test_a_training_is_finished_with_the_best_so_far(place: Place) -> None:
    """Refused while there is none; then it succeeds before its last update."""
    with place.client() as client, place.client("bob") as other:
        job_id = place.train(client, "corners", MANY, minutes=20, shared="true")
        assert (
            client.post(f"/jobs/{job_id}/finish")
            .json()["type"]
            .endswith("nothing-to-keep")
        )
        place.start()
        place.wait_for_file(job_id, "run/corners/best.safetensors")
        asked = json.loads(place.wait_for_file(job_id, "plan.json").read_bytes())[
            "recipe"
        ]["training"]
        assert other.post(f"/jobs/{job_id}/finish").status_code == 404
        assert client.post(f"/jobs/{job_id}/finish").status_code == 202
        job = place.ended(client, job_id)
        assert (job["status"], place.models()) == ("succeeded", ["corners"])
        place.wait_until_clean()
        assert job["result"]["updates"] < asked["epochs"] * asked["epoch_updates"]
        assert job["result"]["early"] == "it was asked to finish"
        assert other.get("/models/corners/download").status_code == 200
        assert client.post(f"/jobs/{job_id}/finish").status_code == 409


def test_two_wait_for_each_other_and_a_third_is_refused(place: Place) -> None:
    """Of one owner; those of others have a count of their own. A drawing that never ends holds none of them up for
    ever."""
    with place.client() as client, place.client("bob") as other:
        first, second = place.train(client, "one"), place.train(client, "two")
        assert place.post(client, "three").json()["type"].endswith("too-many-open-jobs")
        assert place.post(other, "two").json()["type"].endswith("name-taken")
        theirs = place.train(other, "four")
        place.redis.hset(keys.LOAD, "work", 1)
        trainer = place.start()
        assert place.ended(client, first)["status"] == "succeeded"
        place.redis.hdel(keys.LOAD, "work")
        assert place.ended(client, second)["status"] == "succeeded"
        assert place.ended(other, theirs)["status"] == "succeeded"
        assert sorted(place.models()) == ["four", "one", "two"]
        place.wait_until_clean()
        trainer.process.send_signal(signal.SIGTERM)
        assert trainer.process.wait(60) == 0


def test_pictures_that_cannot_be_trained_on_end_their_job(place: Place) -> None:
    """With a sentence that names no place of the server, and nothing is left. These are
    three files of one picture, which the API does not look into."""
    files = []
    for level in (0, 1, 9):
        png = io.BytesIO()
        Image.radial_gradient("L").save(png, "PNG", compress_level=level)
        files.append(("images", (f"{level}.png", png.getvalue())))
    with place.client() as client:
        answer = client.post("/train", files=files, data={"name": "one"})
        job_id = answer.raise_for_status().json()["id"]
        place.start()
        job = place.ended(client, job_id)
        assert (job["status"], job["error"]["type"]) == ("failed", "training-failed")
        assert "expected 3 different ones" in job["error"]["detail"]
        assert str(place.added) not in str(job)
        place.wait_until_clean()
