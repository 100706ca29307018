"""Redis clients, by the use that is made of them.

No client repeats commands by itself: a command whose reply was lost may have been
carried out, and only its caller knows whether it may be repeated.
"""

from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ResponseError
from redis.retry import Retry

from worker.contract.durability import (
    CLUSTER,
    LOADING,
    is_cluster,
    is_loading,
    weaknesses,
)

BLOCK_S = 1
"""Seconds for which a blocking command waits on the server."""

BLOCKING_TIMEOUT_S = BLOCK_S + 5.0
"""Timeout in seconds of commands that block."""
COMMAND_TIMEOUT_S = 5.0
"""Timeout in seconds of commands."""
HEARTBEAT_TIMEOUT_S = 1.0
"""Timeout in seconds of heartbeats; well below a lease's time."""


def connect(url: str, timeout_s: float) -> Redis:
    """Return a client whose every command returns or raises RedisError within about
    `timeout_s` seconds. It connects with the first one."""
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=min(2.0, timeout_s),
        retry=Retry(NoBackoff(), 0),
    )


def unusable_reason(redis: Redis) -> str:
    """Return a sentence that says why this server cannot be used; empty if it can.
    Raises RedisError."""
    client: Any = redis
    return CLUSTER if is_cluster(client.info("cluster")) else ""


def weaknesses_of(redis: Redis) -> tuple[str, ...]:
    """Return how this server may lose accepted jobs, a sentence for each. Raises
    RedisError, in particular BusyLoadingError while the server is still reading its
    file."""
    client: Any = redis  # redis-py types every answer as "awaitable or not"
    memory = client.info("memory")
    persistence = client.info("persistence")
    if is_loading(persistence):
        raise BusyLoadingError(LOADING)
    try:
        setting = client.config_get("appendfsync")
    except ResponseError:  # some hosting services forbid it
        setting = {}
    return weaknesses(memory, persistence, setting.get("appendfsync"))
