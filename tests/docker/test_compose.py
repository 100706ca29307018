"""`docker compose up` as an operator lives with it: sample, kill, restart, scale, upgrade; nothing is lost."""

import base64
import json
import os
import secrets
import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest

from model_core import load_model, sample
from model_core.data.pixels import values_to_pixels
from tests.house.processes import eventually

ROOT = Path(__file__).parents[2]
MODEL = "mnist-diagonal-bilstm"
JOB_LIMIT_S = 120.0


def _engine_answers() -> bool:
    try:
        return (
            subprocess.run(
                ["docker", "info"], capture_output=True, timeout=20, check=False
            ).returncode
            == 0
        )
    except (OSError, subprocess.TimeoutExpired):
        return False


pytestmark = [
    pytest.mark.docker,
    pytest.mark.slow,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(
        not _engine_answers(), reason="no Docker engine answers (`docker info`)"
    ),
]


class Service:
    """The composed service under a project name and port of its own."""

    def __init__(self, directory: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as probe:
            address = f"127.0.0.1:{probe.getsockname()[1]}"
        slow = (
            directory / "slow.yml"
        )  # so that a small job lasts long enough to be disturbed
        slow.write_text(
            'services: {worker: {environment: {PIXELRNN_STEP_DELAY_S: "0.1"}}}\n'
        )
        self._project = f"pixelrnn-test-{secrets.token_hex(3)}"
        self._files = ["-f", str(ROOT / "docker-compose.yml"), "-f", str(slow)]
        self._environment = os.environ | {
            "PIXELRNN_PUBLISH": address,
            "PIXELRNN_REDIS_PASSWORD": "a-secret",
        }
        self.client = httpx.Client(base_url=f"http://{address}", timeout=30)

    def compose(self, *arguments: str) -> str:
        command = ["docker", "compose", "-p", self._project, *self._files, *arguments]
        done = subprocess.run(
            command,
            cwd=ROOT,
            env=self._environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(arguments)}: {done.stderr[-3000:]}"
        return done.stdout

    def containers(self, name: str) -> list[str]:
        return self.compose("ps", "-q", name).split()

    def workers(self) -> int:
        """How many are warm."""
        answer = self.client.get("/readyz")
        return answer.json()["workers"] if answer.status_code == 200 else 0

    def submit(self, n: int, seed: int) -> str:
        answer = self.client.post(
            "/sample", json={"model": MODEL, "n": n, "seed": seed}
        )
        assert answer.status_code == 202, answer.text
        return answer.json()["id"]

    def job(self, job_id: str) -> dict[str, Any]:
        return self.client.get(f"/jobs/{job_id}").raise_for_status().json()

    def begun(self, job_id: str) -> bool:
        return self.job(job_id)["rows_done"] > 0

    def result(self, job_id: str) -> list[bytes]:
        """The pixels of a job's images, once it has succeeded."""
        assert eventually(
            lambda: self.job(job_id)["status"] not in ("queued", "running"), JOB_LIMIT_S
        )
        job = self.job(job_id)
        assert job["status"] == "succeeded", job
        rows = [json.loads(line) for line in self.rows(job_id)]
        return [
            b"".join(row for _, row in sorted(image.items()))
            for image in _by_image(rows)
        ]

    def rows(self, job_id: str) -> list[str]:
        events = self.client.get(f"/jobs/{job_id}/events").text.split("\n\n")
        lines = [event.splitlines() for event in events if "event: row" in event]
        return [
            line.removeprefix("data: ")
            for event in lines
            for line in event
            if line.startswith("data: ")
        ]


def _by_image(rows: list[dict[str, Any]]) -> list[dict[int, bytes]]:
    images: dict[int, dict[int, bytes]] = {}
    for row in rows:
        image = images.setdefault(row["sample"], {})
        assert row["y"] not in image, "each row once"
        image[row["y"]] = base64.b64decode(row["pixels"])
    return [image for _, image in sorted(images.items())]


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("compose"))
    service.compose("build")
    try:
        service.compose("up", "-d", "--wait")
        yield service
    finally:
        service.compose("down", "--volumes", "--timeout", "5")
        service.client.close()


def _drawn_here(n: int, seed: int) -> list[bytes]:
    model = load_model(MODEL, models_dir=ROOT / "models")
    values = sample(model, n=n, seed=seed)
    return [
        values_to_pixels(np.asarray(image), model.config.values).tobytes()
        for image in values
    ]


def test_a_sample_has_the_bytes_that_the_same_weights_draw_here(
    service: Service,
) -> None:
    """A container draws what the command line draws."""
    assert service.result(service.submit(3, seed=5)) == _drawn_here(3, seed=5)


def test_no_container_runs_as_root_or_writes_to_its_image(service: Service) -> None:
    """Hardened: a user of its own, no capabilities, a read-only root."""
    for name in ("valkey", "api", "worker"):
        assert service.compose("exec", "-T", name, "id", "-u").strip() == "10001"
        refused = service.compose(
            "exec", "-T", name, "sh", "-c", "touch /written 2>&1 || true"
        )
        assert "Read-only file system" in refused


def test_a_killed_worker_loses_no_row(service: Service) -> None:
    """kill -9 of one of two containers in the middle of their jobs; all jobs end as if undisturbed."""
    service.compose("up", "-d", "--wait", "--scale", "worker=2", "--no-recreate")
    assert eventually(lambda: service.workers() == 2, 60)
    jobs = [service.submit(8, seed) for seed in range(20, 26)]
    assert eventually(lambda: all(map(service.begun, jobs[:2])), 60)
    subprocess.run(
        ["docker", "kill", service.containers("worker")[0]],
        check=True,
        capture_output=True,
    )
    for job, seed in zip(jobs, range(20, 26), strict=True):
        assert service.result(job) == _drawn_here(8, seed)


def test_a_restart_of_the_server_loses_no_job(service: Service) -> None:
    """Accepted is on disk: the queue, the rows and the results outlive their server."""
    jobs = [service.submit(8, seed) for seed in range(30, 34)]
    assert eventually(lambda: service.begun(jobs[0]), 60)
    service.compose("restart", "valkey")
    assert eventually(lambda: service.workers() >= 1, 60)
    for job, seed in zip(jobs, range(30, 34), strict=True):
        assert service.result(job) == _drawn_here(8, seed)


def test_workers_are_scaled_down_and_replaced_under_load(service: Service) -> None:
    """A rolling upgrade: new containers beside the old, then the old ones leave and hand back what they hold."""
    service.compose("up", "-d", "--wait", "--scale", "worker=1")
    jobs = [service.submit(8, seed) for seed in range(40, 46)]
    assert eventually(lambda: service.begun(jobs[0]), 60)
    old = service.containers("worker")
    service.compose("up", "-d", "--wait", "--scale", "worker=2", "--no-recreate")
    subprocess.run(["docker", "stop", *old], check=True, capture_output=True)
    service.compose("up", "-d", "--wait", "--force-recreate", "--no-deps", "api")
    for job, seed in zip(jobs, range(40, 46), strict=True):
        assert service.result(job) == _drawn_here(8, seed)
