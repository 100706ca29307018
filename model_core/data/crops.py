"""Crops of larger pictures: a network of small images learns from every place of them.

Each picture is divided along its longer side: the first four fifths or less train, the last tenth tests, and the one
before it validates, each at least a crop long. So no crop of one split overlaps another's. A picture that is too short
for that goes to one split, by the hash of its pixels.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from model_core.config import NetworkConfig
from model_core.data.splits import Split, Values, hashed_split

CROPPED_SPLIT = "80 / 10 / 10 % of each picture's longer side"


class Crops:
    """The crops (C, h, w) of areas (C, H, W). Its length counts those that lie side by side; areas that are smaller
    than a crop have none."""

    def __init__(self, areas: Iterable[Values], config: NetworkConfig) -> None:
        h, w = config.height, config.width
        self._areas = [
            area for area in areas if area.shape[1] >= h and area.shape[2] >= w
        ]
        self._ends = np.cumsum(
            [(area.shape[1] // h) * (area.shape[2] // w) for area in self._areas]
        )
        self.shape = (int(self._ends[-1]) if self._areas else 0, config.channels, h, w)

    def __len__(self) -> int:
        return self.shape[0]

    def at_random(
        self, chosen: npt.NDArray[np.int64], generator: np.random.Generator
    ) -> Values:
        """A crop for each number (B,), anywhere in the area that has it: (B, C, h, w)."""
        h, w = self.shape[2:]
        areas = [
            self._areas[i] for i in np.searchsorted(self._ends, chosen, side="right")
        ]
        places = [
            (
                generator.integers(area.shape[1] - h + 1),
                generator.integers(area.shape[2] - w + 1),
            )
            for area in areas
        ]
        return np.stack(
            [
                area[:, y : y + h, x : x + w]
                for area, (y, x) in zip(areas, places, strict=True)
            ]
        )

    def side_by_side(self) -> Values:
        """All that lie side by side: (N, C, h, w)."""
        h, w = self.shape[2:]
        tops = (
            (area, y)
            for area in self._areas
            for y in range(0, area.shape[1] - h + 1, h)
        )
        corners = (
            (area, y, x) for area, y in tops for x in range(0, area.shape[2] - w + 1, w)
        )
        return np.stack([area[:, y : y + h, x : x + w] for area, y, x in corners])


def area_of(picture: Values, split: Split, config: NetworkConfig) -> Values:
    """The part of a picture (C, H, W) that belongs to this split, which may be empty."""
    axis = 1 if picture.shape[1] > picture.shape[2] else 2
    length, least = picture.shape[axis], (config.height, config.width)[axis - 1]
    held_out = max(least, length // 10)
    if length < 2 * held_out + least:
        return picture if hashed_split(picture.tobytes()) == split else picture[:, :0]
    bounds = [0, length - 2 * held_out, length - held_out, length]
    start = ("train", "valid", "test").index(split)
    return picture.take(range(bounds[start], bounds[start + 1]), axis)
