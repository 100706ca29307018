"""Loops that learn are compiled by two processes before the first update."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from model_core.compiled import keeping
from model_core.config import NetworkConfig
from model_core.training import ahead
from model_core.training.choice import CHOICES

pytestmark = pytest.mark.skipif(
    not keeping.KEEP, reason="compiled code cannot be kept here"
)

SMALL = NetworkConfig(
    "pixel-cnn", height=8, width=8, channels=1, values=256, layers=2, hidden=16, head=16
)
IMAGES = 8
UPDATE = """
import json
import sys
import torch
from numba.core.dispatcher import Dispatcher
from model_core import slow_steps
from model_core.config import NetworkConfig
from model_core.measures.likelihood import nats_per_image
from model_core.networks import build_network
from model_core.training import ahead

SMALL = NetworkConfig(**json.loads(sys.argv[1]))
IMAGES = int(sys.argv[2])
if len(sys.argv) > 3:
    slow_steps.REPEAT_S, said = 0.2, []
    ahead.compile_update(SMALL, "float32", said.append)
    assert "loops that learn, once on this machine: 1 of at most 10" in str(said), said
misses = []
compile = Dispatcher.compile
def counted(self, types):
    before = sum(self.stats.cache_misses.values())
    found = compile(self, types)
    if sum(self.stats.cache_misses.values()) > before:
        misses.append(self.py_func.__name__)
    return found
Dispatcher.compile = counted
values = torch.zeros(IMAGES, 1, SMALL.height, SMALL.width, dtype=torch.uint8)
nats_per_image(build_network(SMALL), values, None).sum().backward()
print(*misses)
"""


def compiled_by_update(cache: Path, *options: str) -> set[str]:
    """Return the names of the kept loops that a process compiled by itself."""
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            UPDATE,
            json.dumps(asdict(SMALL)),
            str(IMAGES),
            *options,
        ],
        env=os.environ | {"NUMBA_CACHE_DIR": str(cache)},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stdout.split())


@pytest.mark.weekly
@pytest.mark.timeout(900)
def test_an_update_compiles_nothing_that_two_processes_have_compiled(
    tmp_path: Path,
) -> None:
    """Each of them compiled its half; without them the update compiles both."""
    alone = compiled_by_update(tmp_path / "alone")
    assert {"head_nats", "head_gradients"} <= alone
    assert compiled_by_update(tmp_path / "ahead", "ahead") == set()


def test_updates_of_pictures_are_compiled_once_the_drawing_loops_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One for each choice and precision; sizes, labels and batches make no difference."""
    monkeypatch.setattr(keeping, "root", tmp_path)
    started = list[tuple[str, int]]()

    @contextmanager
    def compiling(
        config: NetworkConfig, precision: str, niceness: int
    ) -> Iterator[list[object]]:
        started.append((f"{config.network} {precision}", niceness))
        yield []

    monkeypatch.setattr(ahead, "compiling", compiling)
    monkeypatch.setattr(ahead, "HAS_BF16", False)
    waited = list[float]()
    monkeypatch.setattr(time, "sleep", waited.append)
    monkeypatch.setattr(keeping, "is_loop_kept", lambda *_: len(waited) > 1)
    kinds = "diagonal-bilstm", "pixel-cnn", "row-lstm"
    for _ in range(2):
        ahead.compile_all()
        assert started == [(f"{kind} float32", 19) for kind in kinds]
    assert waited == [1, 1]
    binary = CHOICES[0].config()
    assert ahead.is_compiled(replace(binary, height=9, labels=3), "float32")
    assert not ahead.is_compiled(binary, "bf16")
    assert not ahead.is_compiled(replace(binary, channels=3), "float32")


def test_a_process_that_fails_leaves_the_update_to_compile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is raised, whether it cannot start to compile or is killed."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    ahead.compile_update(SMALL, "float32", print)
