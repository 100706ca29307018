"""`pixelrnn health`: exit 0 when a worker of this host is warm and says that it lives; for health checks.

A container is a host of its own, so there it is the container's worker.
"""

import socket
import sys

from redis.exceptions import RedisError

from worker.jobs.announcement import live_workers
from worker.process.redis_clients import COMMAND_TIMEOUT_S, connect
from worker.settings import Settings


def is_warm(settings: Settings) -> bool:
    """Does Redis hold a live announcement of a worker of this name, or of this host, with a model that is ready? Raises
    RedisError."""
    with connect(settings.redis_url, COMMAND_TIMEOUT_S) as redis:
        return any(
            worker.ready
            for worker in live_workers(redis)
            if _is_meant(worker.name, settings.worker_name)
        )


def _is_meant(name: str, wanted: str) -> bool:
    """Return whether a worker of this name is the wanted one, or, if `wanted` is empty, one of this host."""
    if wanted:
        return name == wanted
    # A name that was made up ends with the device and a random number. Another host's
    # name may begin with this one's.
    return name.rsplit("-", 2)[0] == socket.gethostname()


def main() -> int:
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
