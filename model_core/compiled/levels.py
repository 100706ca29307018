"""Levels of processors for which code is built ahead of time: the features that each of them has at least."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Level:
    """processor: as LLVM calls it. machines: what such a machine says it is."""

    name: str
    processor: str
    triple: str
    machines: tuple[str, ...]
    features: tuple[str, ...]
    code_of: str | None = None
    """The level whose tiles, and with them whose LLVM code, it takes; None for its own."""


_V3 = "avx avx2 bmi bmi2 cx16 f16c fma lzcnt movbe popcnt sse4.2 ssse3"
_V4 = f"{_V3} avx512bw avx512cd avx512dq avx512f avx512vl"
_X86, _MACHINES = "x86_64-unknown-linux-gnu", ("x86_64", "amd64")

V4 = Level("x86-64-v4", "x86-64-v4", _X86, _MACHINES, tuple(_V4.split()))
V3 = Level("x86-64-v3", "x86-64-v3", _X86, _MACHINES, tuple(_V3.split()))
ARM = Level("aarch64", "generic", "aarch64-unknown-linux-gnu", ("aarch64", "arm64"), ("neon",), code_of=V3.name)
LEVELS = (V4, V3, ARM)
"""The best first."""
