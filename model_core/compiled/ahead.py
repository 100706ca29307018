"""Compile the loops that draw: `python -m model_core.compiled.ahead`.

This needs only numba and NumPy. `make run` starts it in the background while torch is
being downloaded, so that most of the compiling is done when the installation ends.
Loops that are on disk already are left as they are.
"""

import argparse
import fcntl
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, get_args, get_type_hints

import numpy as np
from numba import types
from numba.np.numpy_support import from_dtype

from model_core.compiled import KEEP, keeping
from model_core.compiled.records import Front, Places, Shared, State

KINDS = ("diagonal-bilstm", "row-lstm", "pixel-cnn")
"""Kinds of network that have compiled loops. The first is that of the README's
model."""

FUNCTIONS = ("advance", "pass_given")
"""The functions that are compiled for each kind: drawing rows, and working through
given rows. A worker needs both before a model of the kind draws."""

_PATIENCE_S = 10.0
"""Seconds for which a process waits for another one that lags. On an idle machine a
function is compiled by then."""
_LOOK_S = 0.1

_LOOPS_OF_LSTM_SCORES = (
    ("map_products", "affine"),
    ("scans", "forward_scan"),
    ("ways", "forward_ways"),
)
"""Module and name of each function that every score by an LSTM calls. Colours need
`head_nats` too, whichever network gives their logits."""
_LOOPS_OF_SCORES = {
    "diagonal-bilstm": _LOOPS_OF_LSTM_SCORES,
    "row-lstm": _LOOPS_OF_LSTM_SCORES,
}


def is_scoring_kept(kind: str) -> bool:
    """Return True if the functions that every score by a kind of network calls are on
    disk, compiled. A process that was stopped early leaves functions that draw and none
    that score."""
    return all(
        keeping.is_function_kept(module, function)
        for module, function in _LOOPS_OF_SCORES.get(kind, ())
    )


def compile_loop(kind: str, function: str, niceness: int = 0) -> float:
    """Compile a function for a kind of network, leave it on disk, and return the
    seconds of CPU time that this took.

    kind: one of KINDS.
    function: one of FUNCTIONS.
    niceness: the priority of this process is lowered to this, for good, if it is
        higher.

    If another process is compiling the same function, this waits for it and loads the
    result. If that one is stopped or has a lower priority, it waits for ten seconds at
    most, and then compiles the function too. If it cannot be kept on disk, it is
    compiled in memory.
    """
    before_s = time.process_time()
    os.setpriority(
        os.PRIO_PROCESS, 0, max(niceness, os.getpriority(os.PRIO_PROCESS, 0))
    )
    module = import_module(f"model_core.compiled.{keeping.module_of(kind)}")
    with _lock(keeping.module_of(kind), function):
        getattr(module, function).compile(loop_types(module.Layers))
    return time.process_time() - before_s


def loop_types(layers: type) -> tuple[types.Type, ...]:
    """Return the numba types of the arguments of `advance` and `pass_given`, in their
    order, for one kind of network. `CompiledStage.loop_arguments` makes the arguments
    themselves; a test compares their types with these.

    layers: the class `Layers` of its module, whose annotations describe the fields.
    """
    slots = types.Array(types.int64, 1, "C")
    records = (Front, Shared, State, Places, layers)
    return (slots, *(_record_type(record) for record in records))


def _record_type(record: type) -> Any:
    """Return the type of a record (a NamedTuple) of ints and arrays."""
    hints = get_type_hints(record, include_extras=True)
    fields = [_field_type(hint) for hint in hints.values()]
    return types.BaseTuple.from_types(fields, record)


def _field_type(hint: Any) -> types.Type:
    """Return the type of an int, or of an array that is annotated with its number of
    axes."""
    if hint is int:
        return types.int64
    array, axes = get_args(hint)  # Annotated[NDArray[dtype], axes]
    _shape, dtype = get_args(array)  # np.ndarray[shape, np.dtype[scalar]]
    (scalar,) = get_args(dtype)
    return types.Array(from_dtype(np.dtype(scalar)), axes, "C")


@contextmanager
def _lock(module: str, function: str) -> Iterator[None]:
    """Context manager that holds the lock file of a function, or does not wait for it
    any longer. The file contains the id of the process that holds it. The system
    releases it if that process is killed."""
    if not KEEP:
        yield  # nothing is shared with other processes
        return
    directory = keeping.directory_of(module)
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        file = os.open(directory / f"{function}.lock", os.O_CREAT | os.O_RDWR, 0o600)
    except OSError:
        # The disk is full or cannot be written: compile without a lock.
        yield
        return
    try:
        if _is_taken(file):
            os.ftruncate(file, 0)
            os.pwrite(file, str(os.getpid()).encode(), 0)
        yield
    finally:
        os.close(file)


def _is_taken(file: int) -> bool:
    """Wait until this process has the lock, and return True; return False if a process
    that lags has it for too long."""
    give_up_at = time.monotonic() + _PATIENCE_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > give_up_at and _lags(os.pread(file, 20, 0)):
                return False
            time.sleep(_LOOK_S)
        else:
            return True


def _lags(holder: bytes) -> bool:
    """Return True if the process of this id is stopped or has a lower priority. A
    process that has ended since does not."""
    try:
        pid = int(holder)
        if os.getpriority(os.PRIO_PROCESS, pid) > os.getpriority(os.PRIO_PROCESS, 0):
            return True
        stat = Path(f"/proc/{pid}/stat").read_text("ascii", "replace")
    except (OSError, ValueError):
        return False
    # The state follows the name in parentheses, which may contain anything.
    return stat.rpartition(")")[2].split()[0] == "T"


def main() -> None:
    """Compile the loops that the command line names, in several processes at a time.
    Exits with 1 if one of them failed."""
    parser = argparse.ArgumentParser(
        prog="python -m model_core.compiled.ahead", description=__doc__
    )
    parser.add_argument("--kinds", nargs="+", choices=KINDS, default=KINDS)
    parser.add_argument("--functions", nargs="+", choices=FUNCTIONS, default=FUNCTIONS)
    parser.add_argument(
        "--jobs", type=int, default=os.cpu_count() or 1, help="processes at a time"
    )
    given = parser.parse_args()
    # The first kind whole, so that the README's model draws as early as possible.
    loops = [(kind, name) for kind in given.kinds for name in given.functions]
    if len(loops) == 1:
        kind, function = loops[0]
        seconds = compile_loop(kind, function)
        print(f"compiled {function} of {kind}: {seconds:.1f} s of a processor")
        return
    sys.exit(_compile_all(loops, given.jobs))


def _compile_all(loops: list[tuple[str, str]], jobs: int) -> int:
    """Compile each loop in a process of its own, because numba compiles in one thread.
    Return 1 if one failed, else 0."""
    waiting = [loop for loop in loops if not keeping.is_loop_kept(*loop)]
    running: list[subprocess.Popen[bytes]] = []
    status = 0
    while waiting or running:
        while waiting and len(running) < max(1, jobs):
            kind, function = waiting.pop(0)
            command = [sys.executable, "-m", "model_core.compiled.ahead"]
            command += ["--kinds", kind, "--functions", function]
            running.append(subprocess.Popen(command))
        # The process that is waited for may end last. That leaves a processor idle for
        # some seconds at most, because all loops take about the same time.
        status = running.pop(0).wait() or status
    return 1 if status else 0


if __name__ == "__main__":
    main()
