"""A store that may lose what it has acknowledged is named."""

from typing import Any

import httpx
import pytest

from tests.app.hand_worker import HandWorker
from worker.process.redis_clients import weaknesses_of


@pytest.fixture
def settings(worker: HandWorker) -> Any:
    """Sets the server, and sets it back."""
    changed: dict[str, str] = {}

    def change(**values: str) -> None:
        for name, value in values.items():
            changed.setdefault(name, worker.redis.config_get(name.replace("_", "-"))[name.replace("_", "-")])
            worker.redis.config_set(name.replace("_", "-"), value)

    yield change
    change(**changed)


def test_store_is_named_when_it_may_lose_jobs(client: httpx.Client, worker: HandWorker, settings: Any) -> None:
    """In /readyz, in the metrics and, in the same words, by workers: each weakness that there is, and no other."""
    cases = [
        ({"appendonly": "yes", "appendfsync": "always"}, []),
        ({"appendfsync": "everysec"}, ["appendfsync is everysec"]),
        ({"maxmemory_policy": "allkeys-lru"}, ["appendfsync is everysec", "maxmemory-policy is allkeys-lru"]),
        ({"appendonly": "no", "maxmemory_policy": "noeviction"}, ["appendonly is off"]),
    ]
    for change, expected in cases:
        settings(**change)
        said = client.get("/readyz").json()
        assert [text.partition(":")[0] for text in said["weaknesses"]] == expected
        assert said["durable"] is (not expected)
        assert f"pixelrnn_redis_durable {float(not expected)}" in client.get("/metrics").text
        assert list(weaknesses_of(worker.redis)) == said["weaknesses"]


def test_store_is_named_when_its_settings_are_secret(redis_url: str, worker: HandWorker, settings: Any) -> None:
    """A host that forbids CONFIG: what cannot be known is not taken for good."""
    settings(appendonly="yes", appendfsync="always")
    worker.redis.execute_command("ACL", "SETUSER", "guest", "on", "nopass", "~*", "+@all", "-config")
    guest = HandWorker(redis_url.replace("unix://", "unix://guest:x@"))
    assert [text.partition(":")[0] for text in weaknesses_of(guest.redis)] == ["appendfsync may not be asked for"]
