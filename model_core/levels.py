"""Levels of CPUs for which code is compiled ahead of time (portable/native.py).

A level is a set of features that a CPU must have. Its compiled code is in the folder of
its name in `compiled/built`, or in PIXELRNN_BUILT_DIR.
"""

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
    """A level of CPUs.

    name: that of its folder of compiled loops.
    processor: LLVM's name of it.
    machines: the results of `platform.machine()` that it applies to.
    features: those that a CPU must have, by LLVM's names.
    """

    name: str
    processor: str
    machines: tuple[str, ...]
    features: tuple[str, ...]

    @property
    def environment(self) -> dict[str, str]:
        """Environment variables that make numba compile for this level, if they are set
        before numba is imported."""
        features = ",".join(f"+{feature}" for feature in self.features)
        return {"NUMBA_CPU_NAME": self.processor, "NUMBA_CPU_FEATURES": features}

    @property
    def fits(self) -> bool:
        """True if this machine runs Linux and its CPU has all features of the level."""
        if sys.platform != "linux" or platform.machine().lower() not in self.machines:
            return False
        available = binding.get_host_cpu_features()
        return all(available.get(feature) for feature in self.features)


_V3 = "avx avx2 bmi bmi2 cx16 f16c fma lzcnt movbe popcnt sse4.2 ssse3"
_V4 = f"{_V3} avx512bw avx512cd avx512dq avx512f avx512vl"
_X86 = "x86_64", "amd64"
LEVELS = (
    Level("x86-64-v4", "x86-64-v4", _X86, tuple(_V4.split())),
    Level("x86-64-v3", "x86-64-v3", _X86, tuple(_V3.split())),
    Level("aarch64", "generic", ("aarch64", "arm64"), ("neon",)),
)
"""All levels, the best ones first."""


def choose() -> None:
    """Set numba's environment variables for the best level of this CPU that has code
    compiled ahead of time; do nothing if NUMBA_CPU_NAME is set.

    Processes that draw call it before they import numba. A process that trains does not
    call it: numba then compiles for exactly this CPU.
    """
    if "NUMBA_CPU_NAME" in os.environ:
        return
    for level in LEVELS:
        if (FOLDER / level.name).is_dir() and level.fits:
            os.environ.update(level.environment)
            return


def target() -> tuple[str, str]:
    """Return the name and the features of the CPU that numba compiles for: those of its
    environment variables, or else this machine's."""
    name = os.environ.get("NUMBA_CPU_NAME")
    features = os.environ.get("NUMBA_CPU_FEATURES")
    return (
        name or binding.get_host_cpu_name(),
        features or binding.get_host_cpu_features().flatten(),
    )


def built_directory(name: str) -> Path | None:
    """Return the directory of this name that was compiled ahead of time for numba's
    target; None if there is none."""
    places = (
        FOLDER / level.name / name for level in LEVELS if level.processor == target()[0]
    )
    return next((place for place in places if place.is_dir()), None)
