"""A process of its own that does what may go wrong in any way: whatever it dies of is told in words."""

import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Collection
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from model_core.errors import ModelError
from worker.engine.refusals import reason_of
from worker.process import processors

BACKGROUND = 10
"""How nice it is where others are drawn from meanwhile: the engine goes first."""

_FIRST_TO_END = "1000"
"""The system ends this process before any other where the whole machine lacks memory."""


class Examiner:
    """Calls functions of modules in that process, one after the other, until one fails; the next has a new one.
    usable: processors for it; any when empty."""

    def __init__(self, usable: Collection[int] = ()) -> None:
        self._usable = tuple(usable)
        self._process: BaseProcess | None = None
        self._connection: Connection[Any, Any]

    def call(
        self, look: Callable[..., object], *arguments: object, limit_s: float
    ) -> None:
        """ModelError, with the reason, where the call raises anything, ends the process or takes longer."""
        if self._process is None:
            self._process = self._begun()
        if reason := self._answer(self._process, (look, arguments), limit_s):
            self.end()  # what others left there is half done
            raise ModelError(reason)

    def _answer(self, process: BaseProcess, question: object, limit_s: float) -> str:
        """The reason; empty where all is well."""
        try:
            self._connection.send(question)
            if not self._connection.poll(limit_s):
                return f"looking at it took more than {limit_s:.0f} s"
            return self._connection.recv()
        except (EOFError, OSError):
            process.join()
            return f"the process that looked at it ended with status {process.exitcode}"

    def end(self) -> None:
        """End the process, whatever it does; the next call begins another."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None

    def _begun(self) -> BaseProcess:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._usable), daemon=True
        )
        process.start()
        theirs.close()
        return process


def _serve(connection: "Connection[Any, Any]", usable: Collection[int]) -> None:
    begin(usable)
    if sys.platform == "linux":
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_END)
    with suppress(EOFError, ConnectionError):  # the engine's process has ended
        while True:
            look, arguments = connection.recv()
            try:
                look(*arguments)
            except Exception as error:  # the edge to whoever gave what is looked at
                connection.send(reason_of(error))
            else:
                connection.send("")


def begin(usable: Collection[int]) -> None:
    """Prepare a process beside the engine's: Ctrl-C is the worker's matter, and without the engine's process there is
    nothing to do."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    processors.keep_to(usable)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(0)


def bound_memory(further: int) -> None:
    """Let this process have no more than so many bytes beside what it has now."""
    if sys.platform == "linux":
        held = int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf(
            "SC_PAGE_SIZE"
        )
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        bound = held + further
        resource.setrlimit(
            resource.RLIMIT_DATA, (bound if most < 0 else min(bound, most), most)
        )
