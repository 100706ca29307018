"""Everything that a worker's start compiles, called once: of each entry the types that it takes, and a canary."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numba import typeof

from model_core.compiled.built import CALLS, Entry, aligned, flat
from model_core.config import NetworkConfig
from model_core.kinds import KINDS
from model_core.networks.pixel_network import PixelNetwork
from model_core.portable.program import Program
from model_core.sampling.compiled.stage import CompiledStage
from model_core.sampling.noise import image_noise
from model_core.sampling.stage import Drawing

IMAGES = 4
"""Drawn side by side, so that tiles of every shape have work."""
GIVEN_ROWS = 2
_LINE = 64


@dataclass(frozen=True)
class Call:
    """One call of an entry, with copies of its arguments as they were before."""

    entry: Entry
    arguments: tuple[Any, ...]

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def symbol(self) -> str:
        return self.name.replace(".", "_")

    @property
    def form(self) -> str:
        return flat(self.arguments)[1]

    @cached_property
    def program(self) -> Program:
        return Program.of(self.symbol, self.entry.function, [typeof(each) for each in self.arguments])

    @property
    def table(self) -> list[Any]:
        """Numbers, and of arrays their place in `content` and their shape (compiled/built.py, `placed`)."""
        table, at = [], 0
        for each in _leaves(self.arguments):
            if isinstance(each, np.ndarray):
                table.append([at, *each.shape])
                at += _room(each)
            else:
                table.append(int(each) % 2**64)
        return table

    @property
    def content(self) -> bytes:
        return b"".join(each.tobytes().ljust(_room(each), b"\0") for each in _arrays(self.arguments))

    def sha256(self) -> str:
        """The digest of `content` once numba's code was called CALLS times."""
        arguments = _copied(self.arguments)
        for _ in range(CALLS):
            self.entry.function(*arguments)
        return hashlib.sha256(Call(self.entry, arguments).content).hexdigest()


def calls(kinds: Iterable[str]) -> list[Call]:
    """The first call of each entry, where images of these kinds of network are drawn, taken as given and
    weighed, and scored."""
    found: dict[str, Call] = {}

    def note(entry: Entry, arguments: tuple[Any, ...]) -> None:
        found.setdefault(entry.name, Call(entry, _copied(arguments)))

    Entry.watcher = note
    for kind in kinds:
        if KINDS[kind].compiled is not None:
            _draw_and_score(kind)
    return [found[name] for name in sorted(found)]


def _draw_and_score(kind: str) -> None:
    config = NetworkConfig(kind, height=8, width=7, channels=3, values=4, layers=2, hidden=16, head=16)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        network = PixelNetwork(config).eval().requires_grad_(False)
    blank = torch.zeros(config.channels, config.height, config.width, dtype=torch.int64)
    given = torch.zeros(config.height, config.width, dtype=torch.bool)
    given[:GIVEN_ROWS] = True
    for known, keep in ((None, None), (blank, given)):
        stage = CompiledStage(network, IMAGES)
        for slot in range(IMAGES):
            noise = torch.from_numpy(image_noise(slot, 0, config.height, config.width, config.channels))
            stage.open(slot, Drawing(noise, 1.0, known, keep, weighed=keep))
        for _ in range(GIVEN_ROWS):
            stage.step()
    with torch.inference_mode():
        network.nats_map(blank[None])


def _copied(arguments: tuple[Any, ...]) -> tuple[Any, ...]:
    """The same, of the same types, in other memory."""
    return tuple(_copy(each) for each in arguments)


def _copy(each: Any) -> Any:
    if isinstance(each, np.ndarray):
        memory = aligned(each.tobytes())
        return memory.view(each.dtype).reshape(each.shape) if each.size else each.copy()
    if isinstance(each, tuple):
        return type(each)(*map(_copy, each)) if hasattr(each, "_fields") else _copied(each)
    return each


def _leaves(arguments: tuple[Any, ...]) -> Iterator[Any]:
    for each in arguments:
        if isinstance(each, tuple):
            yield from _leaves(each)
        else:
            yield each


def _arrays(arguments: tuple[Any, ...]) -> Iterator[Any]:
    return (each for each in _leaves(arguments) if isinstance(each, np.ndarray))


def _room(array: Any) -> int:
    return -(-array.nbytes // _LINE) * _LINE
