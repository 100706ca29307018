"""Messages to the drawing thread: from the worker, over a connection, and from other
threads of the engine process.

The drawing thread looks for messages between two turns. A thread that received them on
its behalf would need the interpreter for each message, usually when a step has just
returned, and a step is as short as a message.
"""

import os
import queue
import select
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

Message = tuple[Any, ...]
"""The name of one of Runner's handlers, and its arguments."""


class Inbox:
    """The drawing thread's queue of messages."""

    def __init__(
        self,
        connection: "Connection[Any, Any] | None" = None,
        on_lost: Callable[[], None] = lambda: None,
    ) -> None:
        """connection: to the worker, if any.
        on_lost: called in `next` when it is closed."""
        self._connection = connection
        self._on_lost = on_lost
        self._own: queue.SimpleQueue[Message] = queue.SimpleQueue()
        self._bell, self._ring = os.pipe()
        self._poll = select.poll()
        for descriptor in (self._bell, *([connection.fileno()] if connection else [])):
            self._poll.register(descriptor, select.POLLIN)

    def put(self, *message: Any) -> None:
        """Add a message: a handler's name and its arguments. Any thread may call it."""
        self._own.put(message)
        os.write(self._ring, b"\0")

    def next(self, timeout_s: float = 0.0) -> Message | None:
        """Return the next message; None if none comes within `timeout_s`, or if the
        connection is lost. Only one thread may call it."""
        ready = self._poll.poll(1000 * timeout_s)
        if not ready:
            return None
        if ready[0][0] == self._bell:
            os.read(self._bell, 1)
            return self._own.get()
        assert self._connection is not None
        try:
            return self._connection.recv()
        except (EOFError, OSError):
            self._on_lost()
            return None

    def __del__(self) -> None:
        for descriptor in (self._bell, self._ring):
            os.close(descriptor)
