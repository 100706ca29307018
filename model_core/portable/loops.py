"""What a WebAssembly module contains: the drawing loop of one kind of network, and the
noise."""

import torch
from numba import typeof, types

from model_core.compiled.philox import fill_uniform
from model_core.config import NetworkConfig
from model_core.kinds import part
from model_core.networks.pixel_network import PixelNetwork
from model_core.portable.program import Program
from model_core.portable.wasm import wasm_module
from model_core.sampling.compiled.stage import CompiledStage

_NOISE = types.uint64, types.uint64, types.uint64, types.Array(types.float64, 3, "C")


def loop_modules(kind: str) -> tuple[bytes, bytes]:
    """Return two WebAssembly modules of a kind of network: the exact one and the
    relaxed one (wasm.py). In each `draw` is the kind's `advance`, and `uniform` makes
    the noise (compiled/philox.py).

    kind: such as `row-lstm`.

    Raises ConfigError if the linker is missing or fails.
    """
    programs = [_loop(kind), Program.of("uniform", fill_uniform, _NOISE)]
    return wasm_module(programs, is_relaxed=False), wasm_module(
        programs, is_relaxed=True
    )


def _loop(kind: str) -> Program:
    """Return the drawing loop of a kind as a program. The types of its arguments do not
    depend on the network's size, so those of the smallest one are used."""
    smallest = NetworkConfig(
        kind, height=8, width=8, channels=1, values=2, layers=1, hidden=4, head=4
    )
    with torch.random.fork_rng(devices=[]):
        network = PixelNetwork(smallest)
    arguments = CompiledStage(network.eval().requires_grad_(False), 1).loop_arguments(
        [0]
    )
    return Program.of(
        "draw",
        part(smallest.kind.compiled).code.advance,
        [typeof(each) for each in arguments.values()],
    )
