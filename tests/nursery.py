"""Programs of ours for tests that are not about starts: forked from a process that has imported all that they need,
because importing takes five sixths of a start.

The process is multiprocessing's fork server. What is forked runs as `python -m` would run it, with its own environment,
and forks in its turn what it starts of ours: `pixelrnn up` its API, worker and trainer, a worker its engine.
"""

import contextlib
import ctypes
import os
import resource
import runpy
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from multiprocessing import get_context, resource_tracker
from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import IO, Any, NoReturn

from pixelrnn import processes, tether

ENGINE, TRAINING, WORKER = (
    "worker.engine.start",
    "worker.engine.teaching_start",
    "worker.start",
)
IMPORTED = [
    "pytest",
    "app.serve",
    "pixelrnn.up",
    "pixelrnn.verbs",
    "worker.engine.process",
    "worker.engine.teaching",
    "model_core.training.launch",
    "torch._dynamo",
    ENGINE,
    TRAINING,
]
IMPORTED += ["worker.main", WORKER, __name__]
"""Among them pytest, which multiprocessing imports in each process as the program that asked for it, and what torch's
optimisers import when the first one is made."""

READ_BY_IMPORTS = (
    *("NUMBA_", "OMP_", "PYTHON", "XDG_", "LD_"),
    *("PIXELRNN_BUILT_DIR", "PIXELRNN_PAGE_DIR"),
)
"""Beginnings of variables that are heeded when a module is imported: who has others cannot be forked."""

LIMIT_S = 120
_LOOK_S = 0.01
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(IMPORTED)


def _heeded(environment: Mapping[str, str]) -> dict[str, str]:
    return {
        name: value
        for name, value in environment.items()
        if name.startswith(READ_BY_IMPORTS)
    }


_USUAL = _heeded(os.environ)


def can_fork(environment: Mapping[str, str]) -> bool:
    """Whether a program with this environment would import what the fork server has imported."""
    return _heeded(environment) == _USUAL


class _Process:
    """Those words of Popen that tests and ours use. A child class says how it ended, or None."""

    pid: int

    def poll(self) -> int | None:
        raise NotImplementedError

    @property
    def returncode(self) -> int | None:
        return self.poll()

    def wait(self, timeout: float | None = None) -> int:
        deadline = None if timeout is None else time.monotonic() + timeout
        while (status := self.poll()) is None:
            if deadline is not None and time.monotonic() > deadline:
                raise subprocess.TimeoutExpired("a forked program", timeout or 0)
            time.sleep(_LOOK_S)
        return status

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


class Forked(_Process):
    """A program that a test starts: a module of ours and its arguments. What it says is in `log`, and in `out`."""

    def __init__(
        self,
        words: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        out: Path | None = None,
        directory: Path | None = None,
        limits: Mapping[int, int] | None = None,
    ) -> None:
        """limits: most of each of resource's RLIMIT_..."""
        assert can_fork(environment), environment
        self.log = log
        log.touch()
        given = [*words], dict(environment), log, out, directory, limits or {}
        self._process = _CONTEXT.Process(target=_live, args=given)
        self._process.start()
        assert self._process.pid is not None
        self.pid = self._process.pid

    def poll(self) -> int | None:
        return self._process.exitcode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Its end, and what it said."""
        self.wait(timeout)
        return "", self.log.read_text()


def ended(
    *words: object,
    environment: Mapping[str, str] = os.environ,
    directory: Path | None = None,
    limits: Mapping[int, int] | None = None,
) -> subprocess.CompletedProcess[str]:
    """The end of a program, as of subprocess.run."""
    with TemporaryDirectory() as place:
        log, out = Path(place) / "log", Path(place) / "out"
        out.touch()
        process = Forked([*map(str, words)], environment, log, out, directory, limits)
        try:
            status = process.wait(LIMIT_S)
        finally:
            process.kill()
        return subprocess.CompletedProcess(
            words, status, out.read_text(), log.read_text()
        )


class _Child(_Process):
    """A program that a forked one starts: forked from it. The options are Popen's."""

    def __init__(self, command: Sequence[str], **options: Any) -> None:
        theirs, ours = (
            os.pipe()
            if options.get("stdout") == subprocess.PIPE
            else (None, options.get("stdout"))
        )
        self._one_looks = threading.Lock()
        self._status: int | None = None
        parent, self.pid = os.getpid(), os.fork()
        if self.pid == 0:
            _become(command, parent, **{**options, "stdout": ours})
        if options.get("process_group") == 0:
            os.setpgid(self.pid, self.pid)  # the child does it too, whoever is first
        self.stdout: IO[bytes] | None = None
        if theirs is not None:
            os.close(ours)
            self.stdout = os.fdopen(theirs, "rb")

    def poll(self) -> int | None:
        with self._one_looks:
            if self._status is None:
                ended, status = os.waitpid(self.pid, os.WNOHANG)
                self._status = os.waitstatus_to_exitcode(status) if ended else None
            return self._status


def _started(command: Sequence[str], **options: Any) -> Any:
    """In the place of Popen: what is a module of ours is forked."""
    return (
        _Child(command, **options)
        if "-m" in command
        else subprocess.Popen(command, **options)
    )


def _context_of_examiners(method: str) -> Any:
    """While the engine's process begins it has no other threads that do something: what examines models is forked."""
    return get_context(
        "fork" if threading.current_thread() is threading.main_thread() else method
    )


def _live(
    words: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    out: Path | None,
    directory: Path | None,
    limits: Mapping[int, int],
) -> NoReturn:
    """Be a program of a test's."""
    from model_core.training import launch
    from worker import engine_link, teaching_link
    from worker.engine import examiner

    examiner.get_context = _context_of_examiners
    for module in (engine_link, launch, processes, teaching_link):
        module.subprocess = SimpleNamespace(**{**vars(subprocess), "Popen": _started})  # pyright: ignore
    for file, descriptor in ((log, 2), (out, 1)):
        if file is not None:
            os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    os.chdir(directory or ".")
    for what, most in limits.items():
        resource.setrlimit(what, (most, most))
    _run(words, environment)


def _become(
    command: Sequence[str],
    parent: int,
    env: Mapping[str, str] | None = None,
    stdin: int | None = None,
    stdout: Any = None,
    stderr: int | None = None,
    pass_fds: Sequence[int] = (),
    start_new_session: bool = False,
    process_group: int | None = None,
) -> NoReturn:
    """Be the program of a command, with no other descriptors than it is given, and the one of multiprocessing."""
    if start_new_session:
        os.setsid()
    if process_group is not None:
        os.setpgid(0, process_group)
    if tether.__file__ in command and sys.platform == "linux":
        ctypes.CDLL(None).prctl(tether.PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    if stdin == subprocess.DEVNULL:
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    if stdout is not None:
        os.dup2(stdout if isinstance(stdout, int) else stdout.fileno(), 1)
    if stderr == subprocess.STDOUT:
        os.dup2(1, 2)
    kept = sorted({0, 1, 2, *pass_fds, resource_tracker.getfd() or 0})
    for last, following in zip(
        kept, [*kept[1:], os.sysconf("SC_OPEN_MAX")], strict=True
    ):
        os.closerange(last + 1, following)
    _run(command[command.index("-m") + 1 :], os.environ.copy() if env is None else env)


def _run(words: Sequence[str], environment: Mapping[str, str]) -> NoReturn:
    """As `python -m` does; nothing that the parent would do at its end is done here."""
    status = 1
    try:
        os.environ.clear()
        os.environ.update(environment)
        _call_itself(words)
        sys.argv = [*words]
        module = words[0] if "." in words[0] else f"{words[0]}.__main__"
        sys.modules.pop(module, None)  # imported before, for what it imports
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        status = 0
    except SystemExit as left:
        status = (
            left.code if isinstance(left.code, int) else 0 if left.code is None else 1
        )
    except BaseException:  # the process's edge
        traceback.print_exc()
    finally:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(status)


def _call_itself(words: Sequence[str]) -> None:
    """Under these words others find it: they are written over the command line of the fork server."""
    if sys.platform == "linux":
        numbers = Path("/proc/self/stat").read_text().rpartition(")")[2].split()
        begin, end = int(numbers[45]), int(numbers[46])
        line = "\0".join(words).encode()[: end - begin - 1]
        with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
            memory.seek(begin)
            memory.write(line.ljust(end - begin, b"\0"))
