"""`pixelrnn up` with its real parts: ready, survives the death of each child, and leaves nothing behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from pixelrnn.embedded import EmbeddedRedis, connect
from pixelrnn.errors import StartError
from pixelrnn.progress import StatusLines
from pixelrnn.up import UpOptions, is_ready
from pixelrnn.up import up as start_everything
from tests.corners import pictures
from tests.house.processes import eventually, is_alive
from tests.house.running import PORT, READY_LIMIT_S, STOP_LIMIT_S, ForkedUp, Up

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.platform != "linux",
        reason="reads /proc, and only Linux ties children to their parent",
    ),
]


@pytest.fixture(scope="module")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data directory in which an earlier version has left models for all to read."""
    directory = tmp_path_factory.mktemp("up") / "data"
    (directory / "added").mkdir(parents=True, mode=0o755)
    return directory


@pytest.fixture(scope="module")
def started() -> Iterator[list[Up]]:
    """Those that were started for this file, the latest last."""
    started: list[Up] = []
    yield started
    for up in started:
        if up.process.poll() is None:
            up.output()


@pytest.fixture
def running(started: list[Up], data_dir: Path, models_dir: Path) -> Up:
    """The latest one, or one more on the same directory if that was ended: a start takes seconds, of a program."""
    if not started or started[-1].process.poll() is not None:
        started.append((ForkedUp if started else Up)(data_dir, models_dir))
        started[-1].wait_until_ready()
    return started[-1]


def draw(running: Up, seed: int) -> dict[str, Any]:
    """A finished job of two images."""
    job = running.post("/sample", {"model": "tiny-cnn", "n": 2, "seed": seed})
    return running.ended(job["id"])


def test_job_succeeds_after_every_child_was_killed(running: Up) -> None:
    """kill -9 of worker, API and server, one after the other: each comes back, and jobs finish before and after."""
    first = draw(running, seed=1)
    assert first["status"] == "succeeded"
    for child in ("worker", "api", "server"):
        running.kill(child)
    assert running.get(f"/jobs/{first['id']}")["status"] == "succeeded"
    assert eventually(
        lambda: draw(running, seed=2)["status"] == "succeeded", READY_LIMIT_S
    )


def test_a_trainer_comes_with_the_first_training(running: Up) -> None:
    """And not before; its kill -9 loses no job."""
    assert set(running.children()) == {"server", "worker", "api"}
    job_id = running.train(pictures(24), minutes=0.1)
    assert eventually(lambda: "trainer" in running.children())
    running.kill("trainer")
    assert running.ended(job_id)["status"] == "succeeded"


def test_no_other_user_of_the_machine_reads_what_users_add(
    running: Up, data_dir: Path
) -> None:
    """Pictures to train on and models may be private; logs have addresses."""
    for place in ("added", "weights", "logs"):
        assert (data_dir / place).stat().st_mode & 0o777 == 0o700


def test_everything_is_gone_when_killed_and_the_next_one_starts(
    running: Up, started: list[Up], data_dir: Path, models_dir: Path
) -> None:
    """kill -9 leaves no process behind, and the next `up` on the same directory still has the jobs."""
    job = draw(running, seed=3)
    pids = running.children()
    running.process.kill()
    running.process.communicate()
    assert eventually(lambda: not any(is_alive(pid) for pid in pids.values()))
    started.append(Up(data_dir, models_dir))
    started[-1].wait_until_ready()
    assert started[-1].get(f"/jobs/{job['id']}")["status"] == "succeeded"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_everything_is_gone_when_told_to_stop(
    running: Up, number: signal.Signals
) -> None:
    """SIGTERM and Ctrl-C end it with exit code 0, and none of its processes stays."""
    pids = running.children()
    said = running.stop(number)
    assert running.process.returncode == 0
    assert not any(is_alive(pid) for pid in pids.values())
    # The signal may arrive between the moment all is ready and the line that says so.
    assert re.search(
        rf"{re.escape(running.url)} is open|ready: {re.escape(running.url)}\b", said
    )


@pytest.fixture
def short_path() -> Iterator[Path]:
    """A folder whose path is so short that the server's socket lies in the data directory."""
    with TemporaryDirectory(dir="/tmp") as path:
        yield Path(path)


def test_everything_works_in_a_folder_of_any_name(
    short_path: Path, models_dir: Path
) -> None:
    """A space, `=` and a letter beyond ASCII: a job is drawn, and nothing stays behind outside the folder. A second
    `up` says in one line, after the line that it starts, who holds the data; the first goes on."""
    folder, elsewhere = short_path / "a b=c d" / "é", short_path / "elsewhere"
    elsewhere.mkdir()
    shutil.copytree(models_dir, folder / "models")
    usual = {
        name: value for name, value in os.environ.items() if "REDIS_URL" not in name
    }
    here = ["--data-dir", "data", "--models-dir", "models"]
    command = [sys.executable, "-P", "-m", "pixelrnn", "up", "--port", PORT, *here]
    running = Up.by(command, folder, usual | {"TMPDIR": str(elsewhere)})
    running.wait_until_ready()
    assert draw(running, seed=5)["status"] == "succeeded"
    second = Up.by(command, folder, usual)
    _, said = second.process.communicate(timeout=READY_LIMIT_S)
    start, refusal = said.splitlines()
    assert "starting PixelRNN" in start
    assert f"in use by process {running.process.pid}" in refusal
    assert eventually(lambda: is_ready(running.url))
    running.stop()
    assert (second.process.returncode, running.process.returncode) == (2, 0)
    assert not list(elsewhere.iterdir())


def test_job_goes_on_when_up_was_stopped_in_its_middle(
    tmp_path: Path, models_dir: Path
) -> None:
    """A stop does not wait for the job under way, nor for the reader of its stream; the next start finishes the job."""
    slow = ForkedUp(tmp_path / "data", models_dir, PIXELRNN_STEP_DELAY_S="0.1")
    slow.wait_until_ready()
    job = slow.post("/sample", {"model": "tiny-cnn", "n": 64, "seed": 4})["id"]
    with slow.follow(f"/jobs/{job}/events") as stream:
        assert stream.readline()
        slow.stop()
    assert slow.process.returncode == 0
    again = ForkedUp(tmp_path / "data", models_dir)
    again.wait_until_ready()
    assert again.ended(job)["status"] == "succeeded"
    again.output()


def test_job_finds_its_worker_when_two_hold_different_models(
    tmp_path: Path, models_dir: Path
) -> None:
    """A worker with models of its own has a queue of its own, and no job goes to one that cannot draw it."""
    running = ForkedUp(tmp_path / "data", models_dir, PIXELRNN_MODELS="tiny-cnn")
    running.wait_until_ready()
    settings = {
        "REDIS_URL": EmbeddedRedis(tmp_path / "data").url,
        "PIXELRNN_MODELS_DIR": str(models_dir),
        "PIXELRNN_MODELS": "tiny-rgb",
        "PIXELRNN_QUEUE": "colour",
    }
    other = subprocess.Popen(
        [sys.executable, "-m", "pixelrnn", "worker"], env=os.environ | settings
    )
    try:
        assert eventually(
            lambda: len(running.get("/models")["models"]) == 2, READY_LIMIT_S
        )
        jobs = [
            running.post("/sample", {"model": name})
            for name in ("tiny-rgb", "tiny-cnn") * 3
        ]
        assert {running.ended(job["id"])["status"] for job in jobs} == {"succeeded"}
    finally:
        other.terminate()
        other.wait(STOP_LIMIT_S)
        running.output()


@pytest.mark.parametrize("own", [False, True], ids=["embedded", "own"])
def test_password_of_any_characters_opens_the_server(
    tmp_path: Path, models_dir: Path, own: bool
) -> None:
    """One's own server, whose password is a setting; the embedded one has none, and is not asked with it."""
    password = "q/4+Zk=:@#?%41"
    settings = {"PIXELRNN_REDIS_PASSWORD": password}
    with EmbeddedRedis(tmp_path / "own") as server:
        if own:
            settings["REDIS_URL"] = server.url
            with connect(server.url) as client:
                client.config_set("requirepass", password)
        running = ForkedUp(tmp_path / "data", models_dir, **settings)
        running.wait_until_ready()
        assert draw(running, seed=3)["status"] == "succeeded"
        assert password not in running.output()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (("db=0", "db=99"), "no database of this number"),
        (("unix://", "unix://nobody:wrong@"), "user and password"),
    ],
)
def test_up_says_why_when_redis_does_not_let_it_in(
    redis_url: str, models_dir: Path, tmp_path: Path, change: tuple[str, str], why: str
) -> None:
    """At once, and without the password: starting a server would not help."""
    options = UpOptions(
        "127.0.0.1", 0, tmp_path, models_dir, redis_url.replace(*change)
    )
    with pytest.raises(StartError, match=why) as refused:
        start_everything(options, StatusLines())
    assert "wrong@" not in str(refused.value)
