"""Start and end child processes, which on Linux end when this process does."""

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
"""A longer log is moved to NAME.log.1, of which there is one: when its process is
started again, and while it runs."""
_LAST_BYTES = 4096
"""Bytes at the end of a log in which its last line is looked for."""


def spawn(
    command: Sequence[str],
    log: Path,
    env: Mapping[str, str] | None = None,
    pass_fds: Sequence[int] = (),
) -> subprocess.Popen[bytes]:
    """Start a command in a session of its own, and return its process. Its output is
    appended to `log`; its input is empty. If the command does not exist, the child ends
    with status 1.

    command: its first word is an absolute path.
    env: its environment; None: that of this process.
    pass_fds: file descriptors that it inherits.

    Call it from the main thread: Linux ends the child when the *thread* that started it
    ends.
    """
    # -I -S: nothing of the user's environment is imported, and the start takes less
    # time.
    # In a session of its own, Ctrl-C in the terminal does not reach the child, so
    # that this process decides on the order in which children end.
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
    """Ask a child to end (SIGTERM), kill it after grace_s seconds, and kill what it has
    left in its process group."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(grace_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    kill_group(process)


def kill_group(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the process group of a child that has ended."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (
        ProcessLookupError,
        PermissionError,
    ):  # nobody is left; macOS says it the second way
        return


def last_words(log: Path) -> str:
    """Return the last line of a log that is not blank, for an error message; if it is
    one of our log lines, which are JSON, its `reason`. Empty if the log is empty or
    cannot be read. Only the last 4,096 bytes are looked at."""
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
    """Copy the log of a running process to NAME.log.1 and empty it, if it is longer
    than LOG_LIMIT_BYTES (8 MiB). A line that is written between the two is lost. If
    there is no room for the copy, the log stays as it is."""
    try:
        # The process has the file open and appends to it, so it cannot be renamed.
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
