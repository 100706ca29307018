"""The memory of a slot is known beforehand."""

import tracemalloc

import pytest

from model_core import untrained
from model_core.sampling.stages import slot_bytes


@pytest.mark.parametrize(
    "preset", ["mnist-pixelcnn", "mnist-row-lstm", "mnist-diagonal-bilstm"]
)
def test_bytes_of_a_slot_are_known_before_any_is_taken(preset: str) -> None:
    """They are counted by the arrays' shapes: a model that has no room is refused without making room for it."""
    model = untrained(preset, layers=2, hidden=8, head=4, height=1500, width=1500)
    tracemalloc.start()
    try:
        needed = slot_bytes(model)
        assert tracemalloc.get_traced_memory()[1] < needed / 10
    finally:
        tracemalloc.stop()
