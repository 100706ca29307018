"""Connections to Redis, each kind with the patience that suits it.

commands   short calls: may be repeated, because every write is a script that a second run finds done
reader     one connection that waits for rows; its owner decides what to do when it breaks
"""

from typing import Any

from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff

MAX_COMMAND_CONNECTIONS = 15
READ_BLOCK_S = 5.0
_COMMON: dict[str, Any] = {"socket_connect_timeout": 1.0, "protocol": 2}


def commands(url: str) -> Redis:
    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_COMMAND_CONNECTIONS,
        timeout=2,
        socket_timeout=2.0,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 2),
        **_COMMON,
    )
    return Redis(connection_pool=pool)


def reader(url: str) -> Redis:
    """Commands may wait READ_BLOCK_S on the server."""
    pool = ConnectionPool.from_url(
        url, max_connections=1, socket_timeout=READ_BLOCK_S + 5, retry=Retry(NoBackoff(), 0), **_COMMON
    )
    return Redis(connection_pool=pool)
