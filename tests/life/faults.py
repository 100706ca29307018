"""A Redis client between which and the server something goes wrong, at one chosen command."""

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import redis
from redis.client import Pipeline

from tests.older_state import Snapshot

CLOCK = "test:clock"
"""Key of the seconds since 1970 that the scripts read in place of the server's own clock."""


class Fault(StrEnum):
    NEVER = "never sent"
    LOST = "reply lost"
    TWICE = "reply lost, sent again"
    LATE = "carried out late"
    OLDER = "server comes back with an older state"


class Server:
    """A real server, what it would come back with, and commands that are still on their way to it."""

    def __init__(self, url: str, on_older: Callable[[], None]) -> None:
        self.url = url
        self.redis: Any = redis.Redis.from_url(url)
        self.redis.flushall()
        self.late: list[Callable[[], Any]] = []
        self.forgot = 0
        """How often it came back with an older state."""
        self._on_older = on_older
        self.redis.set(CLOCK, 1_800_000_000)
        self.keep()

    @property
    def now(self) -> int:
        return int(self.redis.get(CLOCK))

    def keep(self) -> None:
        """What it holds now is durable."""
        self._durable = Snapshot(self.redis)

    def come_back_older(self) -> None:
        now = self.now
        self.forgot += 1
        self._durable.restore()
        self.redis.set(CLOCK, now)
        self._on_older()


class Line(redis.Redis):
    """One process's way to the server."""

    server: Server
    _fault: Fault | None = None
    _commands_before = 0

    @classmethod
    def to(cls, server: Server) -> "Line":
        line: Any = cls.from_url(server.url)
        line.server = server
        return line

    def arm(self, fault: Fault | None, commands_before: int) -> None:
        """The fault comes after so many commands."""
        self._fault, self._commands_before = fault, commands_before

    def send(self, send: Callable[[], Any], may_repeat: bool) -> Any:
        """Carry out a command, or a transaction, and what goes wrong with it."""
        fault, self._commands_before = self._fault, self._commands_before - 1
        if fault is None or self._commands_before >= 0:
            return send()
        self._fault = None
        if fault is Fault.NEVER:
            raise redis.ConnectionError(fault)
        if fault is Fault.LATE:
            self.server.late.append(send)
            raise redis.TimeoutError(fault)
        answer = send()
        if fault is Fault.OLDER:
            self.server.come_back_older()
        elif fault is Fault.TWICE and may_repeat:
            answer = send()
        else:
            raise redis.ConnectionError(fault)
        return answer

    def execute_command(self, *words: Any, **options: Any) -> Any:
        return self.send(
            lambda: redis.Redis.execute_command(self, *words, **options),
            words[0] in ("EVAL", "EVALSHA"),
        )

    def pipeline(
        self, transaction: bool = True, shard_hint: str | None = None
    ) -> "LinePipeline":
        pipeline = LinePipeline(
            self.connection_pool, self.response_callbacks, transaction, shard_hint
        )
        pipeline.line = self
        return pipeline

    def blmove(
        self,
        first_list: str,
        second_list: str,
        timeout: int,
        src: str = "LEFT",
        dest: str = "RIGHT",
    ) -> Any:
        """Without waiting."""
        return self.lmove(first_list, second_list, src, dest)

    def time(self, **_: Any) -> Any:
        """As the scripts read it."""
        return int(self.execute_command("GET", CLOCK)), 0


class LinePipeline(Pipeline):
    """Its commands are carried out together, or not at all. Scripts may be sent again; RQ's transactions are not."""

    line: Line

    def execute(self, raise_on_error: bool = True) -> Any:
        commands, explicit = list(self.command_stack), self.explicit_transaction

        def send() -> Any:
            self.command_stack, self.explicit_transaction = list(commands), explicit
            return Pipeline.execute(self, raise_on_error)

        is_read_or_script = not self.explicit_transaction and not self.transaction
        return self.line.send(send, is_read_or_script)
