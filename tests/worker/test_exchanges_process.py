"""Exchanges and deletions of added models by a real API and a real worker."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.settings import Settings
from model_core import save_model, untrained
from model_core.card import Card
from tests.app.holders import settings
from tests.app.live import serving, speaking
from tests.worker.engine.bad_models import diverged
from tests.worker.harness import COLD_START_S, Client, StartWorker, wait_for

SIZE: dict[str, Any] = {"layers": 2, "hidden": 5, "head": 8, "height": 6, "width": 5}
pytestmark = pytest.mark.timeout(COLD_START_S)


class Service:
    """An API, a worker, and the directory of added models that they share."""

    def __init__(self, api: httpx.Client, given: Settings, shelf: Path) -> None:
        assert given.added_dir is not None
        self.api = api
        self.models = given.added_dir / "models"
        self._given = given
        self._shelf = shelf

    def statuses(self, path: str) -> tuple[int, int]:
        """Return what the API answers, and what it answers after a restart."""
        running = self.api.get(path).status_code
        with serving(self._given) as (url, _):
            return running, httpx.get(f"{url}{path}", timeout=90).status_code

    def version(self, seed: int, name: str = "mine") -> Path:
        """Return the directory of a model of these random weights."""
        place = self._shelf / str(seed) / name
        save_model(untrained("mnist-pixelcnn", seed=seed, **SIZE), place)
        return place

    def put(self, model: Path, former: str | None = None) -> dict[str, Any]:
        """Add a model, or exchange the former of this identity; return the ended job."""
        files = {
            "card": (model / "card.json").read_bytes(),
            "weights": (model / "weights.safetensors").read_bytes(),
        }
        headers = {"If-Match": f'"{former}"'} if former else {}
        address = f"/models/{model.name}"
        answer = self.api.put(address, files=files, headers=headers)
        assert answer.status_code == 202, answer.text
        job_id = answer.json()["id"]

        def ended() -> dict[str, Any] | None:
            job = self.api.get(f"/jobs/{job_id}").json()
            return None if job["status"] in ("queued", "running") else job

        return wait_for(ended, f"the end of {job_id}", 120)

    def served(self) -> str:
        """Return the identity of the model called mine that is served."""
        return self.api.get("/models/mine").raise_for_status().json()["identity"]

    def draw(self) -> None:
        body = {"model": "mine", "seed": 1}
        answer = self.api.post("/sample", json=body, headers={"Prefer": "wait=60"})
        assert answer.json()["status"] == "succeeded", answer.text

    def wait_for_only(self, model: Path) -> None:
        """Wait until this version alone is on the disk."""
        names = [path.name for path in self.models.iterdir()]
        wait_for(
            lambda: [path.name for path in self.models.iterdir()] == ["mine"],
            f"{names}",
        )
        expected = (model / "weights.safetensors").read_bytes()
        assert (self.models / "mine" / "weights.safetensors").read_bytes() == expected


@pytest.fixture
def service(
    client: Client, start_worker: StartWorker, redis_url: str, tmp_path: Path
) -> Iterator[Service]:
    added = tmp_path / "added"
    (added / "models").mkdir(parents=True)
    portable = tmp_path / "portable"
    given = settings(redis_url, api_keys=(), added_dir=added, portable_dir=portable)
    how: dict[str, Any] = {
        "models": "tiny-cnn",
        "models_look_s": "0.2",
        "kept_dir": str(tmp_path / "kept"),
        "portable_dir": str(portable),
    }
    start_worker(added_dir=str(added), **how)
    with speaking(given, timeout=90) as api:
        yield Service(api, given, tmp_path / "shelf")


def identity_of(model: Path) -> str:
    return Card.read(model / "card.json").identity


def test_bad_version_of_a_model_replaces_nothing(service: Service) -> None:
    """It fails with the reason, which names no place of the server; the former one is
    served throughout, can be downloaded, and can still be exchanged."""
    first = service.version(1)
    assert service.put(first)["status"] == "succeeded"
    bad = service.version(2)
    diverged(bad)
    job = service.put(bad, former=identity_of(first))
    assert (job["status"], job["error"]["type"]) == ("failed", "not-served")
    assert str(service.models) not in json.dumps(job)
    assert service.served() == identity_of(first)
    service.draw()
    service.wait_for_only(first)

    second = service.version(4)
    job = service.put(second, former=identity_of(first))
    assert (job["status"], job["result"]["identity"]) == (
        "succeeded",
        identity_of(second),
    )
    assert service.served() == identity_of(second)
    service.draw()
    service.wait_for_only(second)


def test_weights_of_a_deleted_model_have_no_address(
    service: Service, tmp_path: Path
) -> None:
    """Not even the one for browsers, which needs no key, from that moment on, also after
    a restart of the API, unless another model has the same weights; they are removed
    from the disk soon."""
    for name in ("mine", "twin"):
        assert service.put(service.version(11, name))["status"] == "succeeded"

    def address() -> str | None:
        answer = service.api.get("/models/mine/portable")
        return answer.json()["model"] if answer.is_success else None

    place = wait_for(address, "the model to be written for browsers", 200)
    for name, status in (("mine", 200), ("twin", 404)):
        assert service.api.get(f"{place}portable.json").status_code == 200
        assert service.api.delete(f"/models/{name}").status_code == 204
        assert service.statuses(f"{place}portable.json") == (status, status)
    on_disk = tmp_path / place.removeprefix("/")
    assert on_disk.exists()
    wait_for(lambda: not on_disk.exists(), "its removal")
