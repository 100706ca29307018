"""Compile the loops of an update before the first one is made, in two processes at the
same time.

numba compiles in one thread, and an update calls up to ten loops, for which a CPU
core needs about 20 s. One process compiles those of the forward pass and of the head's
gradients, the other one those of the rest of the backward pass. Neither needs what the
other one computes, because only types decide what is compiled: in each process, the
loops that the other one compiles do nothing.

`python -m model_core.training.ahead` is such a process. It reads a JSON object from
stdin, leaves what it has compiled on disk, and prints a dot for each loop.

`python -m model_core.training.ahead all`, which the installation starts, compiles the
updates of all networks that are chosen for pictures.
"""

import hashlib
import importlib
import json
import os
import pkgutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import IO, Any

from model_core import fused, slow_steps
from model_core.compiled import ahead as drawing
from model_core.compiled import keeping
from model_core.compiled.vector_code import HAS_BF16
from model_core.config import NetworkConfig
from model_core.parent import die_with_parent
from model_core.source_digest import source_digest

HALVES = ("forward", "backward")
WITH_FORWARD = frozenset({"head_gradients"})
"""Loops of the backward pass that the first process compiles, so that both take about
as long: 11 and 10 s on an AMD EPYC for the Row LSTM of colour pictures."""

LOOPS = 10
"""Most loops that an update calls."""

LEAST_NICENESS = 0
MOST_NICENESS = 19

_IMAGES = 8
"""Of the update that is compiled; some loops are called only for more than a few."""
_DRAWING_LIMIT_S = 3600.0
"""Seconds to wait for the loops that draw: they are compiled at a low priority, while a
large package is downloaded and installed."""


def is_compiled(config: NetworkConfig, precision: str) -> bool:
    """Return True if `note_compiled` was called on this machine for such an update, and
    the sources of the loops have not changed since.

    config: of the network; its sizes decide nothing.
    precision: float32 or bf16.
    """
    return keeping.KEEP and _note(config, precision).exists()


def note_compiled(config: NetworkConfig, precision: str) -> None:
    """Record on disk that such an update was made, and so is compiled; do nothing if it
    cannot be written.

    config: of the network; its sizes decide nothing.
    precision: float32 or bf16.
    """
    if keeping.KEEP:
        with suppress(OSError):
            _note(config, precision).touch()


def compile_update(
    config: NetworkConfig, precision: str, say: Callable[[str], None]
) -> None:
    """Compile everything that such an update calls, in two processes, and wait for
    them. If that fails, the update itself compiles what is missing.

    config: of the network; its sizes decide nothing.
    precision: float32 or bf16.
    say: called with a message and, once a minute, with how many loops are compiled.
    """
    with (
        tempfile.TemporaryFile() as dots,
        compiling(config, precision, LEAST_NICENESS, dots) as processes,
        slow_steps.regularly(say, lambda: _progress(dots), slow_steps.PATIENCE_S),
    ):
        for process in processes:
            process.wait()


def _progress(dots: IO[bytes]) -> str:
    count = os.fstat(dots.fileno()).st_size
    how_far = f": {count} of at most {max(LOOPS, count)}" if count else ""
    return f"compiling the loops that learn, once on this machine{how_far}"


@contextmanager
def compiling(
    config: NetworkConfig, precision: str, niceness: int, dots: IO[bytes] | None = None
) -> Iterator[list["subprocess.Popen[bytes]"]]:
    """Context manager that yields the two processes that compile such an update; an
    empty list if compiled code is not kept on disk. They are killed at the end of the
    block; what they have compiled by then stays on disk.

    config: of the network; its sizes decide nothing.
    precision: float32 or bf16.
    niceness: of the processes, 0 to 19.
    dots: a file to which they write a byte for each loop that they have compiled.
    """
    processes: list[subprocess.Popen[bytes]] = []
    try:
        if keeping.KEEP:
            processes = [
                _started(config, precision, half, niceness, dots) for half in HALVES
            ]
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.wait()


def _started(
    config: NetworkConfig,
    precision: str,
    half: str,
    niceness: int,
    dots: IO[bytes] | None,
) -> "subprocess.Popen[bytes]":
    asked = {
        "network": asdict(config),
        "precision": precision,
        "half": half,
        "niceness": niceness,
        "parent": os.getpid(),
    }
    process = subprocess.Popen(
        [sys.executable, "-P", "-m", "model_core.training.ahead"],
        stdin=subprocess.PIPE,
        stdout=dots or subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    assert process.stdin is not None
    with suppress(OSError):  # it has died: the update compiles by itself
        process.stdin.write(json.dumps(asked).encode())
        process.stdin.close()
    return process


def _note(config: NetworkConfig, precision: str) -> Path:
    sources = [*Path(keeping.__file__).parent.glob("*.py")]
    sources += Path(fused.__file__).parent.glob("*.py")
    digest = source_digest(sorted(sources))
    facts = repr((config.network, config.channels > 1, precision, digest))
    return keeping.root / f"update-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"


def compile_all() -> None:
    """Compile the updates of the networks that are chosen for pictures, in each
    precision of this CPU, at the lowest priority.

    This begins when all loops that draw are compiled, for which a picture may wait. It
    ends without effect if they are not within an hour.
    """
    from model_core.training.choice import CHOICES

    deadline = time.monotonic() + _DRAWING_LIMIT_S
    loops = [(kind, name) for kind in drawing.KINDS for name in drawing.FUNCTIONS]
    while not all(keeping.is_loop_kept(*loop) for loop in loops):
        if not keeping.KEEP or time.monotonic() > deadline:
            return
        time.sleep(1)

    for precision in ("float32", "bf16") if HAS_BF16 else ("float32",):
        for config in (each.config() for each in CHOICES):
            if is_compiled(config, precision):
                continue
            with compiling(config, precision, MOST_NICENESS) as processes:
                if all(process.wait() == 0 for process in processes):
                    note_compiled(config, precision)


class _Loop:
    """A compiled loop that does its work only if this process is to compile it."""

    def __init__(self, loop: Any, turn: "_Turn") -> None:
        self._loop = loop
        self._turn = turn

    def __call__(self, *arguments: Any) -> Any:
        if not self._turn.compiles(self._loop.py_func.__name__):
            return None
        before = self._loop.stats.cache_misses.total()
        result = self._loop(*arguments)
        print(
            "." * (self._loop.stats.cache_misses.total() - before), end="", flush=True
        )
        return result


class _Turn:
    """Which half this process compiles, and which pass it is in."""

    def __init__(self, half: str) -> None:
        self._half = half
        self.is_backward = False

    def compiles(self, name: str) -> bool:
        of_forward = not self.is_backward or name in WITH_FORWARD
        return of_forward == (self._half == "forward")


# In this process only; it ends here.
def _replace_loops(turn: _Turn) -> None:
    """Make each module of model_core/fused call its loops through _Loop."""
    from numba.core.dispatcher import Dispatcher

    for found in pkgutil.iter_modules(fused.__path__, f"{fused.__name__}."):
        module = importlib.import_module(found.name)
        for name, value in [*vars(module).items()]:
            if isinstance(value, Dispatcher):
                setattr(module, name, _Loop(value, turn))


def main() -> None:
    """Compile one half of an update: the entry point of a process that `compiling`
    starts. It reads a JSON object from stdin (network, images, precision, half,
    niceness, parent), lowers its own priority, and is killed when its parent dies."""
    asked = json.load(sys.stdin)
    die_with_parent(asked["parent"])
    os.setpriority(os.PRIO_PROCESS, 0, max(asked["niceness"], os.getpriority(0, 0)))

    import torch

    from model_core.float32 import smallest_as_zero
    from model_core.measures.likelihood import nats_per_image
    from model_core.networks import build_network

    turn = _Turn(asked["half"])
    _replace_loops(turn)
    config = NetworkConfig(**asked["network"])
    network = build_network(config)
    shape = (_IMAGES, config.channels, config.height, config.width)
    values = torch.zeros(shape, dtype=torch.uint8)
    labels = torch.zeros(_IMAGES, dtype=torch.int64)
    condition = network.of_labels(labels) if config.labels else None
    is_rounded = asked["precision"] == "bf16"
    with smallest_as_zero():
        with torch.autocast("cpu", torch.bfloat16, enabled=is_rounded):
            nats = nats_per_image(network, values, condition).sum()
        turn.is_backward = True
        nats.backward()


if __name__ == "__main__":
    if sys.argv[1:] == ["all"]:
        compile_all()
    else:
        main()
