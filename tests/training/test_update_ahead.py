"""Loops that learn are compiled by two processes before the first update."""

import json
import os
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest

from model_core.compiled import keeping
from model_core.config import NetworkConfig
from model_core.training import ahead

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
from model_core.config import NetworkConfig
from model_core.measures.likelihood import nats_per_image
from model_core.networks import build_network
from model_core.training import ahead

SMALL = NetworkConfig(**json.loads(sys.argv[1]))
IMAGES = int(sys.argv[2])
if len(sys.argv) > 3:
    ahead.compile_update(SMALL, IMAGES, "float32")
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


def test_an_update_counts_as_compiled_once_it_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this precision, for this network and batch alone."""
    monkeypatch.setattr(keeping, "root", tmp_path)
    assert not ahead.is_compiled(SMALL, IMAGES, "float32")
    ahead.note_compiled(SMALL, IMAGES, "float32")
    assert ahead.is_compiled(SMALL, IMAGES, "float32")
    assert not ahead.is_compiled(SMALL, IMAGES, "bf16")
    assert not ahead.is_compiled(SMALL, 2 * IMAGES, "float32")


def test_a_process_that_fails_leaves_the_update_to_compile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Nothing is raised, whether it cannot start to compile or is killed."""
    monkeypatch.setattr(sys, "executable", "/bin/false")
    ahead.compile_update(SMALL, IMAGES, "float32")
