"""Start and end child processes that never outlive this one."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

_TETHER = Path(__file__).with_name("tether.py")

LOG_LIMIT_BYTES = 8 * 1024 * 1024
"""A log longer than this is put aside (NAME.log.1, one is kept), when its process starts
again and while it runs."""
_LAST_BYTES = 4096
"""Bytes at the end of a log in which its last words are looked for."""


def spawn(
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a command (its first word an absolute path) in a session of its own, its output appended to `log`.

    Call from the main thread: Linux ends the child when the *thread* that started it ends. The session of its own keeps
    the terminal's Ctrl-C from reaching it, so that the order of shutting down is ours.
    """
    tethered = [sys.executable, "-I", "-S", str(_TETHER), str(os.getpid()), *command]
    _put_aside_when_long(log)
    with log.open("ab") as output:
        return subprocess.Popen(
            tethered,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=env,
            pass_fds=pass_fds,
            start_new_session=True,
        )


def stop(process: subprocess.Popen[bytes], grace_s: float) -> None:
    """Ask a child to end, wait that long, then kill it and whatever it left in its session."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of an ended child's process group."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (
        ProcessLookupError,
        PermissionError,
    ):  # nobody is left; macOS says it the second way
        return


def last_words(log: Path) -> str:
    """The last line that says something, for an error message; of one of our own log lines the reason that it gives."""
    try:
        with log.open("rb") as file:
            length = file.seek(0, os.SEEK_END)
            file.seek(max(0, length - _LAST_BYTES))
            lines = file.read(_LAST_BYTES).decode(errors="replace").split("\n")
    except OSError:
        return ""
    line = next((line.strip() for line in reversed(lines) if line.strip()), "")
    try:
        return str(json.loads(line)["reason"])
    except (ValueError, LookupError, TypeError):
        return line


def shorten_when_long(log: Path) -> None:
    """Copy a long log of a running process to NAME.log.1, and empty it.

    The process holds the file open and appends to it, so that it cannot be renamed. A
    line that is written between the copy and the truncation is lost. If there is no room
    for the copy, the log stays as it is.
    """
    try:
        if log.stat().st_size > LOG_LIMIT_BYTES:
            shutil.copyfile(log, _aside(log))
            os.truncate(log, 0)
    except OSError:
        return


def _aside(log: Path) -> Path:
    return log.with_name(log.name + ".1")


def _put_aside_when_long(log: Path) -> None:
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(_aside(log))
