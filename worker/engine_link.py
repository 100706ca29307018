"""The worker's end of its engine process: starts it, sends it orders, and receives what
it has drawn.

It imports little, so that the engine process starts at once and loads torch while the
worker imports the rest.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from multiprocessing.connection import Connection
from typing import TYPE_CHECKING, Any, ClassVar

from worker.orders.usage import Usage
from worker.process.due import Due, shared_file

if TYPE_CHECKING:
    from worker.orders.catalogue import Catalogue
    from worker.orders.claims import Claim, Outcome
    from worker.orders.images import NewRow
    from worker.orders.order import Order

START_LIMIT_S = 120.0
"""Seconds until the process has begun to load the models; from then on it says itself what it needs."""
LOOK_S = 1.0


class RefusedError(Exception):
    """The engine process cannot start with these settings; the message says why."""


class EngineLostError(Exception):
    """The engine process ended by itself: killed, or out of memory."""


class EngineLink:
    """An engine process, with the methods of its Runner.

    `usage`: of each model in memory, as last reported. `drawn_s`: seconds that each of
    its threads has drawn, the one that waits for the others first. `exhausted`: tokens
    of the jobs whose work met a lack of memory, with which the process ended.
    `gpu_has_failed`: whether it ended because its GPU failed.
    """

    PROGRAM: ClassVar[str] = "worker.engine.start"
    """Module that runs as the engine process."""

    def __init__(self) -> None:
        """Start the process, which reads its settings from the environment and loads
        the models. Call this in the main thread."""
        ours, theirs = socket.socketpair()
        with theirs, shared_file() as memory:
            self._due = Due(memory.fileno())
            handed = [theirs.fileno(), memory.fileno()]
            command = [
                sys.executable,
                "-P",
                "-m",
                self.PROGRAM,
                *map(str, handed),
            ]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, pass_fds=handed
            )
            self._due.expect(self._process.pid, START_LIMIT_S)
        self._connection: Connection[Any, Any] = Connection(ours.detach())
        self._one_at_a_time = threading.Lock()
        self._stopping = False
        self.usage: dict[str, Usage] = {}
        self.drawn_s: list[float] = []
        self.exhausted: set[str] = set()
        self.gpu_has_failed = False

    def catalogue(self) -> Catalogue:
        """Wait until the models are loaded. Raises RefusedError if they cannot be
        loaded, and EngineLostError if the process ends or hangs."""
        while not self._connection.poll(LOOK_S):
            if self.is_hung():
                self.kill()
                raise EngineLostError(
                    "the engine process hung while it loaded the models"
                )
        try:
            word, answer = self._connection.recv()
        except (EOFError, OSError):
            raise EngineLostError(self._farewell()) from None
        if word == "refuse":
            raise RefusedError(answer)
        self.usage = {name: Usage() for name in answer.cards}
        return answer

    def start(
        self,
        publish: Callable[[Mapping[str, Sequence[str]]], None],
        exhausted: Callable[[], None],
        words: Mapping[str, Callable[..., None]],
    ) -> None:
        """Receive what the process reports, in a thread of its own.

        publish: called with new rows as entries of streams, by token.
        exhausted: called if it has ended for lack of memory.
        words: handlers of its other messages (activity.Outlet).
        """
        from worker.contract import logs
        from worker.contract.events import row_entry

        def encoded(rows: Mapping[str, Sequence[NewRow]]) -> None:
            publish(
                {token: [row_entry(*row) for row in new] for token, new in rows.items()}
            )

        def note_used(usage: Mapping[str, Usage]) -> None:
            # The metrics read this very dictionary, in another thread.
            for unloaded in self.usage.keys() - usage.keys():
                del self.usage[unloaded]
            self.usage.update(usage)

        def note_exhausted(token: str) -> None:
            self.exhausted.add(token)
            exhausted()

        def note_gpu_failed(reason: str) -> None:
            self.gpu_has_failed = True
            words["card_failed"](reason)

        def note_drawn(seconds: list[float]) -> None:
            self.drawn_s = seconds

        dropped = partial(setattr, logs.lines, "dropped_elsewhere")
        ours = {
            "exhausted": note_exhausted,
            "card_failed": note_gpu_failed,
            "publish": encoded,
            "used": note_used,
            "drew": note_drawn,
            "lines_dropped": dropped,
        }
        self._thread = threading.Thread(
            target=self._listen,
            args=({**words, **ours},),
            name="engine link",
            daemon=True,
        )
        self._thread.start()

    def submit(self, order: Order) -> None:
        """Send an order to the engine process."""
        self._tell("submit", order)

    def withdraw(self, token: str) -> None:
        """Do no more for this claim, from the next step on."""
        self._tell("withdraw", token)

    def closed(self, claim: Claim, outcome: Outcome) -> None:
        """Do nothing: the engine process has ended the claim itself."""

    def bring(self, name: str, identity: str) -> None:
        """Load a model that was replaced, if its weights were kept.

        identity: the model's identity, or the SHA-256 of its weights.
        """
        self._tell("bring", name, identity)

    def unload(self, called: str, proposal: int) -> None:
        """Unload a model that the process has proposed to unload, by its name there."""
        self._tell("unload", called, proposal)

    def is_late(self) -> bool:
        """Return True if it should be back by now from what it does."""
        return self._due.is_over()

    def is_hung(self) -> bool:
        """Return True if it is late and will not come back by itself."""
        return self._due.is_hung()

    def kill(self) -> None:
        self._process.kill()

    def stop(self, timeout_s: float) -> None:
        """Stop after the current step. Rows drawn so far have been passed on by then."""
        self._stopping = True
        self._tell("stop")
        self._thread.join(timeout_s)
        self._process.kill()
        self._process.wait()

    @property
    def has_given_up(self) -> bool:
        """True if the engine process has ended and said why."""
        return bool(self.exhausted) or self.gpu_has_failed

    def _tell(self, *message: object) -> None:
        try:
            with self._one_at_a_time:
                self._connection.send(message)
        except OSError:  # it is gone; the thread that listens ends this process too, unless we are stopping
            return

    def _listen(self, words: dict[str, Callable[..., None]]) -> None:
        try:
            while True:
                for word, *arguments in self._connection.recv():
                    self._follow(words[word], arguments)
        except (EOFError, OSError):
            if not self._stopping and not self.has_given_up:
                raise EngineLostError(self._farewell()) from None

    def _follow(self, word: Callable[..., None], arguments: Sequence[object]) -> None:
        try:
            word(*arguments)
        except Exception:  # the thread's edge: the next word is about something else
            from structlog import get_logger

            get_logger("worker").exception("word_failed", thread="engine link")

    def _farewell(self) -> str:
        status = self._process.wait()
        how = f"signal {-status}" if status < 0 else f"status {status}"
        return f"the engine process ended with {how}"
