"""Values and pixels: one rule, there and back."""

import numpy as np
import pytest

from model_core.data.pixels import pixels_to_values, values_to_pixels


def test_every_value_survives_the_way_to_a_pixel_and_back(
    subtests: pytest.Subtests,
) -> None:
    """A row that was streamed as pixels is read back as the values that were drawn, for every V."""
    for levels in range(2, 257):
        with subtests.test(levels=levels):
            values = np.arange(levels)
            pixels = values_to_pixels(values, levels)
            assert np.array_equal(pixels_to_values(pixels, levels), values)
            assert (pixels[0], pixels[-1]) == (0, 255)


def test_binary_pixels_are_black_below_128() -> None:
    """With two values, 127 is black and 128 is white; a picture of 256 values is itself."""
    assert pixels_to_values(np.array([0, 127, 128, 255], np.uint8), 2).tolist() == [
        0,
        0,
        1,
        1,
    ]
    every = np.arange(256, dtype=np.uint8)
    assert np.array_equal(pixels_to_values(every, 256), every)
