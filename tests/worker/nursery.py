"""Workers for tests that are not about starts: forked from a process that has imported all that they need, because
importing takes five sixths of a start.

The process is multiprocessing's fork server. A forked worker runs `worker.start.main` with its own environment, and
forks its engine, which runs `worker.engine.start.main`; everything else is as in workers that are programs.
"""

import contextlib
import os
import signal
import subprocess
import sys
import threading
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from types import SimpleNamespace
from typing import NoReturn

IMPORTED = ["pytest", "worker.main", "worker.engine.process", "worker.engine.start", __name__]
"""Among them pytest, which multiprocessing imports in each process as the program that asked for it."""

READ_BY_IMPORTS = "NUMBA_", "OMP_", "PYTHON", "XDG_", "LD_", "PIXELRNN_BUILT_DIR"
"""Beginnings of variables that are heeded when a module is imported: who has others cannot be forked."""

_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(IMPORTED)


def _heeded(environment: Mapping[str, str]) -> dict[str, str]:
    return {name: value for name, value in environment.items() if name.startswith(READ_BY_IMPORTS)}


_USUAL = _heeded(os.environ)


class Forked:
    """A forked worker, with those words of Popen that tests use."""

    def __init__(self, environment: Mapping[str, str], log: Path) -> None:
        self._process = _CONTEXT.Process(target=_live, args=(dict(environment), log))
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int:
        self._process.join(timeout)
        if self._process.exitcode is None:
            raise subprocess.TimeoutExpired("a forked worker", timeout or 0)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        _send(self.pid, number, self.poll())

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a worker with this environment would import what the fork server has imported."""
    return _heeded(environment) == _USUAL


def _send(pid: int, number: int, status: int | None) -> None:
    if status is None:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


def _live(environment: Mapping[str, str], log: Path) -> NoReturn:
    """Be a worker."""
    from worker import engine_link, start

    os.environ.clear()
    os.environ.update(environment)
    os.dup2(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), sys.stderr.fileno())
    engine_link.subprocess = SimpleNamespace(Popen=_Engine, DEVNULL=subprocess.DEVNULL)  # pyright: ignore
    sys.exit(start.main())


class _Engine:
    """A worker's forked engine, with those words of Popen that its link uses."""

    def __init__(self, command: Sequence[str], stdin: int, pass_fds: Sequence[int]) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            _draw(command, pass_fds)
        self._one_waits = threading.Lock()
        self._status: int | None = None

    def kill(self) -> None:
        _send(self.pid, signal.SIGKILL, self._status)

    def wait(self) -> int:
        with self._one_waits:
            if self._status is None:
                self._status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
            return self._status


def _draw(command: Sequence[str], descriptors: Sequence[int]) -> NoReturn:
    """Be an engine, with no other descriptors than its program is given, and the one of multiprocessing."""
    status = 1
    try:
        kept = sorted({0, 1, 2, *descriptors, resource_tracker.getfd() or 0})
        for last, following in zip(kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True):
            os.closerange(last + 1, following)
        sys.argv = list(command[command.index("-m") + 1 :])
        from worker.engine import start

        start.main()
        status = 0
    except SystemExit as left:
        status = left.code if isinstance(left.code, int) else 1
    except BaseException:  # the process's edge
        traceback.print_exc()
    finally:
        os._exit(status)
