"""A disk that is full, under the logs and under the store: calls are answered, and everything goes on by itself."""

import http.client
import os
import re
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from tests.house.disks import fill, small_disk
from tests.house.processes import eventually
from tests.house.running import READY_LIMIT_S, Up
from tests.ports import free_port
from tests.worker.harness import PROGRAM, Client, launch
from worker.contract.jobs import JobStatus

__all__ = ["small_disk"]
FULL = Path("/dev/full")
DEATHS = 6
"""More than `up` forgives within a minute for other reasons."""
LIMIT_S = 120.0

needs_full = pytest.mark.skipif(
    not FULL.exists(), reason="this system has no /dev/full"
)


def answer(
    port: int, path: str, body: str | None = None
) -> tuple[int, str | None, str]:
    """Status, Retry-After and text."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request(
        "POST" if body else "GET", path, body, {"Content-Type": "application/json"}
    )
    response = connection.getresponse()
    found = (
        response.status,
        response.headers["Retry-After"],
        response.read().decode(errors="replace"),
    )
    connection.close()
    return found


def is_up(port: int, path: str) -> bool:
    try:
        return answer(port, path)[0] == 200
    except OSError:
        return False


def dropped(text: str) -> float:
    (number,) = re.findall(
        r"^pixelrnn_\S*log_lines_dropped_total (\S+)$", text, re.MULTILINE
    )
    return float(number)


@needs_full
def test_api_answers_when_it_can_write_no_log(tmp_path: Path) -> None:
    """Also what it would log in the middle of a request: that its store is away is 503. The lines are counted."""
    port, nowhere = free_port(), f"unix://{tmp_path}/nowhere"
    command = [
        sys.executable,
        "-P",
        "-m",
        "pixelrnn",
        "api",
        "--port",
        str(port),
        "--redis-url",
        nowhere,
    ]
    with FULL.open("wb") as log, subprocess.Popen(command, stderr=log) as api:
        try:
            assert eventually(lambda: is_up(port, "/healthz"), LIMIT_S)
            for path, body in (
                ("/jobs", None),
                ("/readyz", None),
                ("/sample", '{"model": "tiny-cnn"}'),
            ):
                status, retry_after, _ = answer(port, path, body)
                assert (status, retry_after is not None) == (503, True)
            assert dropped(answer(port, "/metrics")[2]) > 0
        finally:
            api.kill()


@needs_full
def test_worker_draws_when_it_can_write_no_log(
    redis_url: str, models_dir: Path, tmp_path: Path
) -> None:
    """Neither its process nor the engine's ends; the lines are counted."""
    client, port = Client(redis_url, models_dir), free_port()
    settings = {"kept_dir": tmp_path / "kept", "metrics_port": port}
    worker = launch("w1", redis_url, models_dir, FULL, settings, PROGRAM)
    try:
        spec = client.submit(n=2)
        assert client.wait_end(spec.id, READY_LIMIT_S).status is JobStatus.SUCCEEDED
        with urllib.request.urlopen(
            f"http://127.0.0.1:{port}/metrics", timeout=60
        ) as told:
            assert dropped(told.read().decode()) > 0
        worker.terminate()
        assert worker.wait() == 0
    finally:
        worker.kill()
        client.redis.close()


def said_by(running: Up) -> Iterator[str]:
    """What it has said so far, each time that is asked for."""
    assert running.process.stderr is not None
    descriptor, said = running.process.stderr.fileno(), b""
    os.set_blocking(descriptor, False)
    while True:
        with suppress(BlockingIOError):
            said += os.read(descriptor, 65536)
        yield said.decode()


def note_answers(running: Up, answers: set[tuple[int, bool]]) -> None:
    """Make some calls, and note of each answer its status, and whether it says when to come again."""
    for path, body in (
        ("/jobs", None),
        ("/readyz", None),
        ("/sample", '{"model": "tiny-cnn"}'),
    ):
        status, retry_after, _ = answer(running.port, path, body)
        answers.add((status, retry_after is not None))


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has tmpfs")
def test_up_waits_when_its_disk_is_full_and_goes_on_when_there_is_room(
    small_disk: Path, models_dir: Path
) -> None:
    """Store and logs on one full disk: whoever calls is told to come again, however often the store dies; with room
    again the job that was accepted is there, and others are drawn."""
    running = Up(small_disk / "data", models_dir)
    try:
        running.wait_until_ready()
        job = running.post("/sample", {"model": "tiny-cnn", "n": 2, "seed": 1})["id"]
        fill(small_disk / "filling")
        answers: set[tuple[int, bool]] = set()
        said = said_by(running)
        while next(said).count("cannot run") < DEATHS:
            assert running.process.poll() is None
            note_answers(running, answers)
        assert (503, True) in answers
        assert answers <= {(200, False), (202, False), (503, True)}
        (small_disk / "filling").unlink()
        running.wait_until_ready()
        later = running.post("/sample", {"model": "tiny-cnn", "seed": 2})["id"]
        assert {running.ended(each)["status"] for each in (job, later)} == {"succeeded"}
        running.stop()
        assert running.process.returncode == 0
    finally:
        if running.process.poll() is None:
            running.output()
