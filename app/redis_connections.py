"""Connections to Redis, each kind with the patience that suits it.

command_client   short calls: may be repeated, because every write is a script that a second run finds done
RawConnection    one connection that waits for rows; its owner decides what to do when it breaks
"""

from collections.abc import Iterable
from typing import Any, TypeVar

from redis import exceptions as redis_errors
from redis.asyncio import BlockingConnectionPool, ConnectionPool, Redis
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import ExponentialBackoff, NoBackoff

from worker.contract.durability import CLUSTER
from worker.contract.trouble import is_of_cluster, is_store_trouble

Pool = TypeVar("Pool", bound=ConnectionPool)

MAX_COMMAND_CONNECTIONS = 15
READ_BLOCK_S = 2.5


class StoreRefusesError(redis_errors.RedisError):
    """The server answers, and will not do it: it is full, a replica, or cannot write its file."""


STORE_TROUBLE = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    StoreRefusesError,
)
"""The server does not answer or refuses: it may be better a moment later."""
_COMMON: dict[str, Any] = {"socket_connect_timeout": 1.0, "protocol": 2}


def trouble_of(error: redis_errors.ResponseError) -> redis_errors.RedisError:
    """The same error, as one of STORE_TROUBLE where it is the server's own."""
    if is_of_cluster(error):
        return StoreRefusesError(CLUSTER)
    return StoreRefusesError(str(error)) if is_store_trouble(error) else error


class _SaysWhenClosed(AbstractConnection):
    """uvloop's word for a transport that was closed a moment ago, between two steps of a connection that is being made,
    is a RuntimeError, which redis-py hands on. It is the server that went away."""

    async def send_packed_command(
        self, command: bytes | str | Iterable[bytes], check_health: bool = True
    ) -> None:
        try:
            await super().send_packed_command(command, check_health)
        except RuntimeError as error:
            await self.disconnect(nowait=True)
            raise redis_errors.ConnectionError(
                f"the connection was closed: {error}"
            ) from error


def _pool(kind: type[Pool], url: str, **options: Any) -> Pool:
    pool = kind.from_url(url, **_COMMON, **options)
    pool.connection_class = type(
        "Connection", (_SaysWhenClosed, pool.connection_class), {}
    )
    return pool


def command_client(url: str) -> Redis:
    pool = _pool(
        BlockingConnectionPool,
        url,
        max_connections=MAX_COMMAND_CONNECTIONS,
        timeout=2,
        socket_timeout=2.0,
        retry=Retry(ExponentialBackoff(cap=0.2, base=0.05), 2),
    )
    return Redis(connection_pool=pool)


class RawConnection:
    """One connection, one command at a time, each packed by the caller. Raises what redis-py raises; then it is closed,
    and opened again with the next command."""

    def __init__(self, url: str) -> None:
        pool = _pool(
            ConnectionPool,
            url,
            socket_timeout=READ_BLOCK_S + 5,
            retry=Retry(NoBackoff(), 0),
        )
        self._connection = pool.make_connection()
        self.client_id: int | None = None
        """The server's number for it, while it is open."""

    async def ask(self, packed: bytes) -> Any:
        try:
            if self.client_id is None:
                await self._connection.connect()
                await self._connection.send_command("CLIENT", "ID")
                self.client_id = int(str(await self._connection.read_response()))
            await self._connection.send_packed_command(packed, check_health=False)
            return await self._connection.read_response()
        except redis_errors.ResponseError as error:
            await self.close()
            raise trouble_of(error) from error
        except redis_errors.RedisError:
            await self.close()
            raise

    async def close(self) -> None:
        self.client_id = None
        await self._connection.disconnect()


def packed(*words: bytes | str | int) -> bytes:
    """Words of a command, without the line that says how many there are."""
    encoded = (
        word if isinstance(word, bytes) else str(word).encode() for word in words
    )
    return b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)
