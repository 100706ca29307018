"""The CPU for which a module is compiled. It must be in the environment before numba is
imported, also to lay out weights."""

ENVIRONMENT = {
    "NUMBA_CPU_NAME": "x86-64-v3",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+cx16,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse4.2,+ssse3",
}
"""A CPU of 16 registers, for which tiles are narrow (compiled/tiles.py): WebAssembly
has no more. Only the tiles and the order of weights follow from it, no instructions."""
