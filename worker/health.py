"""`pixelrnn health`: exits with 0 if a worker of this host is alive and has a model
that is ready. A container is a host of its own."""

import socket
import sys

from redis.exceptions import RedisError

from worker.jobs.announcement import live_workers
from worker.process.redis_clients import COMMAND_TIMEOUT_S, connect
from worker.settings import Settings


def is_warm(settings: Settings) -> bool:
    """Return True if a live worker of the name in the settings, or else of this host,
    has a model that is ready. Raises RedisError."""
    with connect(settings.redis_url, COMMAND_TIMEOUT_S) as redis:
        return any(
            worker.ready
            for worker in live_workers(redis)
            if _is_meant(worker.name, settings.worker_name)
        )


def _is_meant(name: str, wanted: str) -> bool:
    if wanted:
        return name == wanted
    # A name that was made up ends with the device and a random number. Another host's
    # name may begin with this one's.
    return name.rsplit("-", 2)[0] == socket.gethostname()


def main() -> int:
    """Return the exit status of the health check: 0 if a worker of this host has
    announced a ready model, else 1."""
    try:
        if is_warm(Settings()):
            return 0
        print(
            "no worker of this host has announced a model that is ready",
            file=sys.stderr,
        )
    except RedisError as error:
        print(f"Redis does not answer: {error}", file=sys.stderr)
    return 1
