"""Levels of processors for which code is compiled ahead of time (portable/native.py): the features that each has at
least. What was compiled for one lies in a folder of its name, `compiled/built` or PIXELRNN_BUILT_DIR."""

import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path

from llvmlite import binding

FOLDER = Path(
    os.environ.get("PIXELRNN_BUILT_DIR")
    or Path(__file__).with_name("compiled") / "built"
)


@dataclass(frozen=True)
class Level:
    """processor: as LLVM calls it. machines: what such a machine says it is."""

    name: str
    processor: str
    machines: tuple[str, ...]
    features: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """Tells numba to compile for it, if that is said before numba is imported."""
        features = ",".join(f"+{feature}" for feature in self.features)
        return {"NUMBA_CPU_NAME": self.processor, "NUMBA_CPU_FEATURES": features}

    @property
    def fits(self) -> bool:
        """True if this processor has what it asks for, on Linux."""
        here, has = (
            sys.platform == "linux" and platform.machine().lower(),
            binding.get_host_cpu_features(),
        )
        return here in self.machines and all(
            has.get(feature) for feature in self.features
        )


_V3 = "avx avx2 bmi bmi2 cx16 f16c fma lzcnt movbe popcnt sse4.2 ssse3"
_V4 = f"{_V3} avx512bw avx512cd avx512dq avx512f avx512vl"
_X86 = "x86_64", "amd64"
LEVELS = (
    Level("x86-64-v4", "x86-64-v4", _X86, tuple(_V4.split())),
    Level("x86-64-v3", "x86-64-v3", _X86, tuple(_V3.split())),
    Level("aarch64", "generic", ("aarch64", "arm64"), ("neon",)),
)
"""The best first."""


def choose() -> None:
    """Compile for the best level of this processor that something was compiled for ahead of time, unless numba was told
    of a processor. Processes that draw say so before numba is imported; one that trains compiles for this processor."""
    if "NUMBA_CPU_NAME" not in os.environ:
        fitting = (
            level for level in LEVELS if (FOLDER / level.name).is_dir() and level.fits
        )
        os.environ.update(next((level.environment for level in fitting), {}))


def target() -> tuple[str, str]:
    """Name and features of the processor that is compiled for: this one, unless numba was told of another."""
    name, features = (
        os.environ.get("NUMBA_CPU_NAME"),
        os.environ.get("NUMBA_CPU_FEATURES"),
    )
    return (
        name or binding.get_host_cpu_name(),
        features or binding.get_host_cpu_features().flatten(),
    )


def built_directory(name: str) -> Path | None:
    """The folder of this name that was compiled ahead of time for the target, if there is one."""
    places = (
        FOLDER / level.name / name for level in LEVELS if level.processor == target()[0]
    )
    return next((place for place in places if place.is_dir()), None)
