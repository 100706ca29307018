"""A process that does what may go wrong in any way; whatever it dies of becomes an
error with a reason."""

import math
import os
import resource
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from multiprocessing import get_context, parent_process
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from model_core.data_memory import data_bytes
from model_core.errors import ModelError
from worker.engine.failures import is_passing
from worker.engine.refusals import reason_of
from worker.process import processors

BACKGROUND = 10
"""Niceness of a process beside an engine that draws meanwhile: the engine goes
first."""

_FIRST_TO_END = "1000"
"""Score that makes Linux end this process before any other if the machine lacks
memory."""


LOOK_S = 1.0
"""Seconds between two checks while a call runs."""
CLOCK_PER_PROCESSOR = 20
"""A call may take so many times its CPU seconds by the clock. On a busy machine a
process gets a small part of a CPU core, but one that hangs must end at last."""


class InconclusiveError(ModelError):
    """A call failed in a way that proves little about the model. `is_passing`: True if
    the machine was too busy, lacked memory or had trouble with its files, False if the
    process used up its CPU seconds."""

    def __init__(self, reason: str, is_passing: bool) -> None:
        super().__init__(reason)
        self.is_passing = is_passing


class Examiner:
    """Calls functions in a process of its own, which starts with the first call. After
    a failed call, the next one has a new process."""

    def __init__(self, usable: Collection[int] = ()) -> None:
        """usable: CPU cores on which the process runs; any if empty."""
        self._usable = tuple(usable)
        self._process: BaseProcess | None = None
        self._connection: Connection[Any, Any]

    def call(
        self,
        look: Callable[..., object],
        *arguments: object,
        limit_s: float,
        clock_s: float | None = None,
        waiting: Callable[[], object] = lambda: None,
    ) -> None:
        """Call `look(*arguments)`, both picklable, in the process.

        limit_s: CPU seconds that it may use.
        clock_s: seconds by the clock; default: CLOCK_PER_PROCESSOR times as many.
        waiting: called every second meanwhile.

        Raises ModelError, with the reason, if the call raises anything or ends the
        process, and InconclusiveError if that may have had another reason than the
        model.
        """
        if clock_s is None:
            clock_s = CLOCK_PER_PROCESSOR * limit_s
        if self._process is None:
            self._process = self._start_process()
        question = look, arguments, limit_s
        try:
            self._answer(self._process, question, limit_s, clock_s, waiting)
        except ModelError:
            self.end()  # the failed call may have left it in any state
            raise

    def _answer(
        self,
        process: BaseProcess,
        question: object,
        limit_s: float,
        clock_s: float,
        waiting: Callable[[], object],
    ) -> None:
        until = time.monotonic() + clock_s
        try:
            self._connection.send(question)
            while not self._connection.poll(LOOK_S):
                waiting()
                if time.monotonic() > until:
                    raise InconclusiveError(
                        f"looking at it was not done after {clock_s / 60:.0f} minutes: "
                        "it hangs, or this machine is too busy",
                        is_passing=True,
                    )
            reason, may_pass = self._connection.recv()
        except (EOFError, OSError):
            process.join()
            raise _ended_with(process.exitcode, limit_s) from None
        if may_pass:
            raise InconclusiveError(reason, is_passing=True)
        if reason:
            raise ModelError(reason)

    def another(self) -> "Examiner":
        """Return a new examiner for the same CPU cores."""
        return Examiner(self._usable)

    def end(self) -> None:
        """Kill the process; the next call starts another."""
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None

    def _start_process(self) -> BaseProcess:
        context = get_context("spawn")
        self._connection, theirs = context.Pipe()
        process = context.Process(
            target=_serve, args=(theirs, self._usable), daemon=True
        )
        process.start()
        theirs.close()
        return process


def _ended_with(status: int | None, limit_s: float) -> ModelError:
    if status == -signal.SIGXCPU:
        return InconclusiveError(
            f"looking at it took more than {limit_s:.0f} s of a processor",
            is_passing=False,
        )
    if status == -signal.SIGKILL:
        return InconclusiveError(
            "the process that looked at it was killed: this machine lacks memory",
            is_passing=True,
        )
    return ModelError(f"the process that looked at it ended with status {status}")


def _serve(connection: "Connection[Any, Any]", usable: Collection[int]) -> None:
    begin(usable)
    if sys.platform == "linux":
        Path("/proc/self/oom_score_adj").write_text(_FIRST_TO_END)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # SIGXCPU would leave a dump
    with suppress(EOFError, ConnectionError):  # the engine process has ended
        while True:
            look, arguments, limit_s = connection.recv()
            bound_processor(limit_s)
            try:
                look(*arguments)
            except Exception as error:  # what is examined may come from any user
                connection.send((reason_of(error), is_passing(error)))
            else:
                connection.send(("", False))


def begin(usable: Collection[int]) -> None:
    """Prepare this process, which runs beside the engine process: it ignores Ctrl-C,
    which is the worker's matter, runs on these CPU cores, and ends with its parent.
    Raises NoProcessorError if none of the CPU cores can be used."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    processors.keep_to(usable)
    threading.Thread(target=_end_with_parent, daemon=True).start()


def _end_with_parent() -> None:
    if parent := parent_process():
        parent.join()
        os._exit(0)


def bound_memory(further: int, held: int | None = None) -> None:
    """Limit the data of this process, and of those that it starts, to `further` bytes
    beside `held`. Only on Linux.

    held: default: what the process has now.
    """
    if sys.platform == "linux":
        if held is None:
            held = data_bytes()
        _, most = resource.getrlimit(resource.RLIMIT_DATA)
        bound = held + further
        resource.setrlimit(
            resource.RLIMIT_DATA, (bound if most < 0 else min(bound, most), most)
        )


def bound_processor(further_s: float) -> None:
    """Let the kernel end this process by SIGXCPU when its threads together have used
    this many further CPU seconds."""
    _, most = resource.getrlimit(resource.RLIMIT_CPU)
    bound = math.ceil(time.process_time() + further_s)
    resource.setrlimit(
        resource.RLIMIT_CPU, (bound if most < 0 else min(bound, most), most)
    )
