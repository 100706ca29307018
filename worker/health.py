"""`python -m worker.health`: exit 0 when a worker of this host is warm and says that it lives; for health checks.

A container is a host of its own, so there it is the container's worker.
"""

import os
import socket
import sys
from typing import cast

from redis.exceptions import RedisError

from worker.contract import keys
from worker.process.redis_clients import COMMAND_TIMEOUT_S, connect
from worker.settings import Settings


def announced(settings: Settings) -> bool:
    """Does Redis hold a live announcement of a worker of this name, or of this host? Raises RedisError."""
    prefix = settings.worker_name or f"{socket.gethostname()}-"
    with connect(settings.redis_url, COMMAND_TIMEOUT_S) as redis:
        names = [os.fsdecode(name) for name in cast("set[bytes]", redis.smembers(keys.WORKERS))]
        return any(redis.exists(keys.worker(name)) for name in names if name.startswith(prefix))


def main() -> int:
    try:
        if announced(Settings()):
            return 0
        print("no worker of this host has announced itself", file=sys.stderr)
    except RedisError as error:
        print(f"Redis does not answer: {error}", file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
