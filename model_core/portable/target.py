"""The target that a module is compiled for: numba and the layout of weights must be told it before they are
imported."""

ENVIRONMENT = {
    "NUMBA_CPU_NAME": "x86-64-v3",
    "NUMBA_CPU_FEATURES": "+avx,+avx2,+bmi,+bmi2,+cx16,+f16c,+fma,+lzcnt,+movbe,+popcnt,+sse4.2,+ssse3",
}
"""A processor of 16 registers, for which tiles are narrow (compiled/tiles.py): WebAssembly has no more. Of it the tiles
and the order of weights are taken, and no instruction."""
