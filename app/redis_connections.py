"""Connections to Redis, with timeouts and retries for each use.

command_client   short calls. They are repeated on failure, because every write is a
                 script that has no further effect the second time
RawConnection    one connection that waits for rows. It is not repeated: its owner
                 decides what to do when it breaks
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
"""Seconds for which a read waits for new rows."""


class StoreRefusesError(redis_errors.RedisError):
    """The server responds, but does not execute a command: it is full, it is a replica,
    or it cannot write to its disk."""


STORE_TROUBLE = (
    redis_errors.ConnectionError,
    redis_errors.TimeoutError,
    redis_errors.InvalidResponse,
    StoreRefusesError,
)
"""Errors of a server that does not respond, refuses, or is not Redis, such as a load
balancer in front of it. A later attempt may succeed."""
_COMMON: dict[str, Any] = {"socket_connect_timeout": 1.0, "protocol": 2}


def trouble_of(error: redis_errors.ResponseError) -> redis_errors.RedisError:
    """Return StoreRefusesError if an error reply is due to the server's state, else the
    error itself."""
    if is_of_cluster(error):
        return StoreRefusesError(CLUSTER)
    return StoreRefusesError(str(error)) if is_store_trouble(error) else error


class _SaysWhenClosed(AbstractConnection):
    """A connection that raises ConnectionError if the server closes it while it is
    being made. uvloop raises RuntimeError then, which redis-py passes on."""

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
    """Return a pool whose connections are of the class that fits the URL."""
    pool = kind.from_url(url, **_COMMON, **options)
    pool.connection_class = type(
        "Connection", (_SaysWhenClosed, pool.connection_class), {}
    )
    return pool


def command_client(url: str) -> Redis:
    """Return a client for short calls, which it repeats twice."""
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
    """One connection that executes one command at a time, packed by the caller.

    After an error of redis-py, which is passed on, it is closed; the next command opens
    it again.
    """

    def __init__(self, url: str) -> None:
        pool = _pool(
            ConnectionPool,
            url,
            socket_timeout=READ_BLOCK_S + 5,
            retry=Retry(NoBackoff(), 0),
        )
        self._connection = pool.make_connection()
        self.client_id: int | None = None
        """The server's id of the connection; None while it is closed."""

    async def ask(self, packed: bytes) -> Any:
        """Send a packed command, and return the reply."""
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
        """Close the connection. It may be used again."""
        self.client_id = None
        await self._connection.disconnect()


def packed(*words: bytes | str | int) -> bytes:
    """Return words of a command in Redis's protocol, without the first line, which says
    how many there are."""
    encoded = (
        word if isinstance(word, bytes) else str(word).encode() for word in words
    )
    return b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in encoded)
