"""Redis clients by role.

None retries by itself: a command whose reply was lost may have been carried out, and only its caller knows whether it
may be repeated. Every caller has its own loop.
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
"""How long a blocking command waits on the server before it answers "nothing"."""

BLOCKING_TIMEOUT_S = BLOCK_S + 5.0
COMMAND_TIMEOUT_S = 5.0
HEARTBEAT_TIMEOUT_S = 1.0


def connect(url: str, timeout_s: float) -> Redis:
    """A client whose every command answers or raises RedisError within about `timeout_s` seconds."""
    return Redis.from_url(
        url,
        socket_timeout=timeout_s,
        socket_connect_timeout=min(2.0, timeout_s),
        retry=Retry(NoBackoff(), 0),
    )


def unusable(redis: Redis) -> str:
    """Why no job could be kept in this server, a sentence; empty where it can. Raises RedisError."""
    client: Any = redis
    return CLUSTER if is_cluster(client.info("cluster")) else ""


def weaknesses_of(redis: Redis) -> tuple[str, ...]:
    """How this server may lose accepted jobs, a sentence each. Raises RedisError."""
    client: Any = redis  # redis-py types every answer as "awaitable or not"
    memory, persistence = client.info("memory"), client.info("persistence")
    if is_loading(persistence):
        raise BusyLoadingError(LOADING)
    try:
        setting = client.config_get("appendfsync")
    except ResponseError:  # some hosts forbid it
        setting = {}
    return weaknesses(memory, persistence, setting.get("appendfsync"))
