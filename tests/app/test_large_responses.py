"""Responses in one piece that are in memory while they are sent."""

import asyncio
from typing import Any

import pytest
from fastapi import Response
from starlette.types import Message, Receive, Scope, Send

from app.access.callers import Caller
from app.wire import large_responses
from app.wire.large_responses import LARGE_BYTES, LargeResponses
from app.wire.middleware import FOR_EVER

SIZE = 3 * LARGE_BYTES


class Reader:
    """A client that takes nothing more once the response has begun, until `goes_on` is
    set."""

    def __init__(self, name: str, goes_on: bool = False) -> None:
        self.goes_on = asyncio.Event()
        if goes_on:
            self.goes_on.set()
        self.status = 0
        self.body = b""
        self.is_whole = False
        state = {"caller": Caller(name, name)}
        self.scope: Scope = {"type": "http", "path": "/picture", "state": state}

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            return
        await self.goes_on.wait()
        self.body += message["body"]
        self.is_whole = not message.get("more_body")

    async def ask(self, app: Any) -> None:
        async def receive() -> Message:
            raise AssertionError("nothing is received")

        await app(self.scope, receive, self.send)


def sending(size: int, **headers: str) -> Any:
    """Return an application whose responses have so many bytes."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        response = Response(b"x" * size, headers=headers)
        await response(scope, receive, send)

    return app


@pytest.fixture
def room_for_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large_responses, "MOST_BYTES", 2 * SIZE + LARGE_BYTES)


@pytest.mark.usefixtures("room_for_two")
def test_unread_responses_of_one_client_leave_memory_for_the_others() -> None:
    """Its second one is refused until it has read the first."""

    async def check() -> None:
        app = LargeResponses(sending(SIZE), stall_s=60)
        slow = Reader("alice")
        task = asyncio.create_task(slow.ask(app))
        await asyncio.sleep(0)
        assert slow.status == 200
        for name, status in (("alice", 503), ("bob", 200)):
            reader = Reader(name, goes_on=True)
            await reader.ask(app)
            assert (name, reader.status) == (name, status)
            assert reader.is_whole
        slow.goes_on.set()
        await task
        assert (slow.body, slow.is_whole) == (b"x" * SIZE, True)
        reader = Reader("alice", goes_on=True)
        await reader.ask(app)
        assert (reader.status, len(reader.body)) == (200, SIZE)

    asyncio.run(check())


@pytest.mark.usefixtures("room_for_two")
def test_reader_that_takes_nothing_is_let_go() -> None:
    async def check() -> None:
        app = LargeResponses(sending(SIZE), stall_s=0.01)
        slow = Reader("alice")
        await slow.ask(app)
        assert not slow.is_whole
        reader = Reader("alice", goes_on=True)
        await reader.ask(app)
        assert (reader.status, len(reader.body)) == (200, SIZE)

    asyncio.run(check())


@pytest.mark.usefixtures("room_for_two")
@pytest.mark.parametrize(
    "app",
    [sending(LARGE_BYTES), sending(SIZE, **{"cache-control": FOR_EVER})],
    ids=["short", "file of the page"],
)
def test_what_takes_no_memory_of_its_own_is_not_counted(app: Any) -> None:
    async def check() -> None:
        counted = LargeResponses(app, stall_s=60)
        slow = [Reader("alice") for _ in range(9)]
        tasks = [asyncio.create_task(reader.ask(counted)) for reader in slow]
        await asyncio.sleep(0)
        assert [reader.status for reader in slow] == [200] * 9
        for reader in slow:
            reader.goes_on.set()
        await asyncio.gather(*tasks)

    asyncio.run(check())
