"""Real workers that may hold three models: added ones are unloaded, and loaded again."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from model_core import load_model, sample, save_model, untrained
from model_core.data.pixels import values_to_pixels
from tests.worker.harness import (
    COLD_START_S,
    Client,
    StartWorker,
    WorkerProcess,
    wait_for,
)
from worker.contract import keys
from worker.contract.cards import ModelCard, WorkerInfo
from worker.contract.jobs import JobSpec, JobStatus

SIZE: dict[str, Any] = {"layers": 2, "hidden": 5, "head": 8, "height": 6, "width": 5}
LIMIT = 3
"""Models in memory: two shipped ones, and one of all that are added."""
pytestmark = pytest.mark.timeout(3 * COLD_START_S)


class Rig:
    """A worker with a small limit, its directories, and models to put there."""

    def __init__(
        self, client: Client, start_worker: StartWorker, models_dir: Path, root: Path
    ) -> None:
        self.client = client
        self.shelf = root / "shelf"
        self.added = root / "added" / "models"
        self.added.mkdir(parents=True)
        shipped = root / "shipped"
        for name in ("tiny-cnn", "tiny-diagonal"):
            shutil.copytree(models_dir / name, shipped / name)
        self._how: dict[str, Any] = {
            "models_dir": str(shipped),
            "added_dir": str(root / "added"),
            "kept_dir": str(root / "kept"),
            "models_look_s": "0.2",
            "loaded_models": str(LIMIT),
        }
        self._start = start_worker
        self.worker: WorkerProcess

    def start(self, **settings: Any) -> WorkerProcess:
        self.worker = self._start(**{**self._how, **settings})
        return self.worker

    def info(self) -> WorkerInfo:
        """Return the worker's announcement; it never holds more than it may."""
        text = wait_for(
            lambda: self.client.redis.get(keys.worker(self.worker.name)), "announcement"
        )
        info = WorkerInfo.model_validate_json(text)
        loaded = [card for card in (*info.models, *info.kept) if card.draws]
        assert len(loaded) <= LIMIT
        return info

    def put(self, name: str, seed: int) -> Path:
        """Put a model of random weights into the directory of added models, or exchange
        it; return a copy of it."""
        copy = self.shelf / f"{name}-{seed}" / name
        save_model(untrained("mnist-pixelcnn", seed=seed, **SIZE), copy)
        place = self.added / name
        if place.exists():
            place.rename(self.added / ".former")
            shutil.copytree(copy, self.added / ".draft")
            (self.added / ".draft").rename(place)
            shutil.rmtree(self.added / ".former")
        else:
            shutil.copytree(copy, place)
        return copy

    def wait_served(self, copy: Path) -> ModelCard:
        identity = load_model(copy).card.identity

        def card() -> ModelCard | None:
            cards = {one.name: one for one in self.info().models}
            found = cards.get(copy.name)
            is_served = found and found.identity == identity and not found.compiling
            return found if is_served else None

        return wait_for(card, f"{copy.parent.name} to be served", COLD_START_S)

    def spec(self, copy: Path, seed: int = 3, n: int = 2) -> JobSpec:
        card = load_model(copy).card
        return self.client.spec(
            digest=card.sha256, identity=card.identity, seed=seed, n=n
        ).model_copy(update={"model": copy.name})

    def submit(self, spec: JobSpec) -> JobSpec:
        self.client.accept(spec)
        self.client.enqueue(spec.id)
        return spec

    def expect_drawn(self, copy: Path, spec: JobSpec) -> None:
        """The job has been drawn, with this model's bytes."""
        record = self.client.wait_end(spec.id, COLD_START_S)
        assert record.status is JobStatus.SUCCEEDED, record.error
        model = load_model(copy)
        drawn = sample(model, n=spec.n, seed=spec.seed).numpy()
        pixels = values_to_pixels(drawn, model.config.values)
        expected = pixels.transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(self.client.images(spec), expected)

    def draw(self, copy: Path, seed: int = 3) -> None:
        self.expect_drawn(copy, self.submit(self.spec(copy, seed)))

    def unloaded(self) -> list[str]:
        events = self.worker.events()
        return [one["model"] for one in events if one["event"] == "model_unloaded"]


@pytest.fixture
def rig(
    client: Client, start_worker: StartWorker, models_dir: Path, tmp_path: Path
) -> Rig:
    return Rig(client, start_worker, models_dir, tmp_path)


def test_more_models_are_added_exchanged_and_deleted_than_a_worker_may_hold(
    rig: Rig, client: Client, tmp_path: Path
) -> None:
    """Each is served, and draws, without a restart; a job that was accepted for weights
    that were exchanged and unloaded is drawn from them. After a restart all are served,
    and a score with two added models loads both, of which neither is unloaded while the
    job waits for the other one."""
    rig.start()
    copies = [rig.put(f"m{i}", seed=10 + i) for i in range(3)]
    for copy in copies:
        rig.wait_served(copy)
    assert len(set(rig.unloaded())) >= len(copies) - 1
    for copy in (*copies, copies[0]):
        rig.draw(copy)

    waiting = rig.spec(copies[0], seed=5)
    latest = copies[0]
    for seed in (100, 101):
        latest = rig.put("m0", seed)
        rig.wait_served(latest)
    rig.draw(latest)
    rig.expect_drawn(copies[0], rig.submit(waiting))
    shutil.rmtree(rig.added / "m1")
    wait_for(
        lambda: "m1" not in {card.name for card in rig.info().models},
        "the deleted model to be gone",
    )
    further = rig.put("m9", seed=50)
    rig.wait_served(further)
    rig.draw(further)
    rig.draw(latest)
    assert not [e for e in rig.worker.events() if e["event"] == "model_refused"]

    rig.worker.terminate()
    rig.worker.wait()
    shutil.rmtree(tmp_path / "shipped" / "tiny-diagonal")
    rig.start()
    for copy in (latest, copies[2], further):
        rig.wait_served(copy)
        rig.draw(copy, seed=8)
    spec = rig.spec(further).model_copy(update={"kind": "score", "n": 1})
    against = client.spec(kind="score", options={"against": "m2"}).options
    spec = spec.model_copy(update={"options": against})
    client.accept(spec, bytes(spec.height * spec.width), b"")
    client.enqueue(spec.id)
    record = client.wait_end(spec.id, COLD_START_S)
    assert record.status is JobStatus.SUCCEEDED, record.error
    rig.client.wait_idle()


def test_a_model_that_a_job_draws_with_is_not_unloaded(rig: Rig) -> None:
    """While a long job draws with the only added model in memory, another one waits; both
    jobs end with the right bytes, the long one undisturbed."""
    rig.start(step_delay_s="0.05")
    first = rig.put("first", seed=1)
    rig.wait_served(first)
    second = rig.put("second", seed=2)
    rig.wait_served(second)
    long = rig.submit(rig.spec(first, n=40))
    rig.client.wait_rows(long.id, 1)
    other = rig.submit(rig.spec(second))
    before = rig.unloaded()

    def is_waiting() -> bool:
        asked = {"first", "second"} <= {card.name for card in rig.info().models}
        return asked and rig.client.redis.zcard(keys.parked_ids(keys.QUEUE)) == 1

    wait_for(is_waiting, "the other job to wait")
    rig.expect_drawn(first, long)
    rig.expect_drawn(second, other)
    assert rig.unloaded()[len(before) :] == ["first"]
    assert rig.client.attempts(long.id) == 1
    ended_at = rig.client.record(long.id).finished_at
    began_at = rig.client.record(other.id).started_at
    assert ended_at is not None
    assert began_at is not None
    assert began_at >= ended_at
    rig.client.wait_idle()
