"""The hole that an array of values says by its negative numbers."""

import io

import numpy as np

from app.imaging.arrays import Shape, pictures_of


def test_pixel_is_a_hole_when_any_of_its_colours_is_negative() -> None:
    """Whichever that is: one pixel for each of three colours, and one without."""
    values = np.ones((3, 2, 2), np.int8)
    for colour in range(3):
        values[colour, colour // 2, colour % 2] = -1
    file = io.BytesIO()
    np.save(file, values)
    (picture,) = pictures_of(
        file.getvalue(), "image", Shape(2, 2, 3, 4), may_have_holes=True
    )
    assert np.asarray(picture.image.getchannel("A")).tolist() == [[0, 0], [0, 255]]
