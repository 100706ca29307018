"""Which models are small enough for browsers, which load their weights whole."""

from pathlib import Path

from model_core.models_directory import weights_in

LARGEST_MIB = 10
"""Weights of a model, in MiB, that are prepared for browsers unless somebody asks for
more."""


def weight_bytes(directory: Path) -> int:
    """Return the size in bytes of the weights in a model's directory, including those
    of its guides; 0 if it has none."""
    return sum(file.stat().st_size for file in weights_in(directory))


def is_large(directory: Path, largest_mib: int = LARGEST_MIB) -> bool:
    """Return True if the weights in a model's directory, including those of its guides,
    have more than `largest_mib` MiB."""
    return weight_bytes(directory) > largest_mib * 2**20
