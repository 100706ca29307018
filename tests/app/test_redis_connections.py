"""Connections that go away in the middle of something, under the loop that serves."""

import uvloop
from redis import exceptions as redis_errors

from app.redis_connections import STORE_TROUBLE, RawConnection, packed


def test_closed_transport_is_trouble_of_the_store(redis_url: str) -> None:
    """uvloop raises a RuntimeError, which would be answered with 500; and the next command connects again."""
    ping = b"*1\r\n" + packed("PING")

    async def ask() -> tuple[Exception | None, str]:
        connection = RawConnection(redis_url)
        assert await connection.ask(ping) == b"PONG"
        writer = connection._connection._writer
        assert writer is not None
        writer.transport.abort()
        told = None
        try:
            await connection.ask(ping)
        except redis_errors.RedisError as error:
            told = error
        answer = await connection.ask(ping)
        await connection.close()
        return told, answer

    told, answer = uvloop.run(ask())
    assert isinstance(told, STORE_TROUBLE)
    assert answer == b"PONG"
