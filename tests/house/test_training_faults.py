"""Trainings while everything around them dies, or their disk is full: `pixelrnn up` on a handful of pictures."""

import json
import shutil
from pathlib import Path

import httpx
import pytest

from pixelrnn.up import TRAINER_IDLE_S
from tests.corners import pictures, unbroken_digest
from tests.house.disks import fill, small_disk
from tests.house.processes import eventually
from tests.house.running import READY_LIMIT_S, ForkedUp

__all__ = ["small_disk"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def wait_for(place: Path, name: str) -> Path:
    assert eventually(lambda: next(place.glob(name), None), READY_LIMIT_S), f"no {name}"
    return next(place.glob(name))


def test_weights_are_those_of_an_unbroken_training_whatever_was_killed(
    tmp_path: Path, models_dir: Path
) -> None:
    """kill -9 of Redis, of the API and of the trainer, one after the other, in its middle."""
    with ForkedUp(tmp_path / "data", models_dir) as running:
        job_id = running.train(pictures(400))
        upload = tmp_path / "data" / "added" / "uploads" / job_id
        wait_for(upload, "run/corners/last.safetensors")
        shutil.copytree(upload / "pictures", tmp_path / "pictures")
        recipe = json.loads((upload / "plan.json").read_bytes())["recipe"]
        for child in ("server", "api", "trainer"):
            running.kill(child)
            assert running.get(f"/jobs/{job_id}")["status"] in ("queued", "running"), (
                f"it had ended before the {child}"
            )
        ended = running.ended(job_id)
        assert ended["status"] == "succeeded", ended
        result = ended["result"]
        assert (
            result["updates"]
            == recipe["training"]["epochs"] * recipe["training"]["epoch_updates"]
        )
        assert "after 20 passes" in result["early"]
    assert unbroken_digest(recipe, tmp_path) == result["digest"]


def test_a_training_whose_disk_is_full_fails_with_a_sentence(
    small_disk: Path, tmp_path: Path, models_dir: Path
) -> None:
    """Nothing of it is left; where there is room again its name is free, and others are trained."""
    running = ForkedUp(
        tmp_path / "data", models_dir, PIXELRNN_ADDED_DIR=str(small_disk)
    )
    try:
        running.wait_until_ready()
        job_id = running.train(pictures(400))
        wait_for(small_disk / "uploads" / job_id, "run/corners/last.safetensors")
        fill(small_disk / "filling")
        ended = running.ended(job_id)
        assert (ended["status"], ended["error"]["type"]) == (
            "failed",
            "training-failed",
        )
        assert (
            ended["error"]["detail"]
            == "The server's disk is full, or cannot be written."
        )
        assert eventually(lambda: not [*small_disk.glob("uploads/*")], READY_LIMIT_S)
        assert not [*small_disk.glob("models/*")]
        fill(small_disk / "rest")
        refused = httpx.post(
            f"{running.url}/train",
            files={"images": pictures(24)},
            data={"name": "more"},
            timeout=60,
        )
        assert refused.json()["type"] == "urn:pixelrnn:problem:added-full", refused.text
        for filling in ("filling", "rest"):
            (small_disk / filling).unlink()
        assert running.ended(running.train(pictures(24)))["status"] == "succeeded"
        assert eventually(
            lambda: "trainer" not in running.children(), 10 * TRAINER_IDLE_S
        )
    finally:
        running.output()
