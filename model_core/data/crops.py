"""Crops of larger pictures, with which a network of small images learns from every
place of them.

Each picture is divided along its longer side: the first four fifths or less for
training, the next tenth for validation and the last tenth for the test, each of the
latter at least as long as a crop. So no crops of different splits overlap. A picture
that is too short for that belongs to one split, by the hash of its pixels.
"""

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from model_core.config import NetworkConfig
from model_core.data.splits import Split, Values, hashed_split

CROPPED_SPLIT = "80 / 10 / 10 % of each picture's longer side"
"""The split in words, for a model's card."""


class Crops:
    """Crops (C, h, w), of the network's size, of areas of larger pictures. len() is N,
    the number of crops that fit side by side, without overlap.

    shape: (N, C, h, w).
    """

    def __init__(self, areas: Iterable[Values], config: NetworkConfig) -> None:
        """areas: each (C, H, W), integers 0..V-1. Those that are smaller than a crop
            are left out.
        config: of the network.
        """
        h = config.height
        w = config.width
        self._areas = [
            area for area in areas if area.shape[1] >= h and area.shape[2] >= w
        ]
        # Index after the last crop of each area.
        self._ends = np.cumsum(
            [(area.shape[1] // h) * (area.shape[2] // w) for area in self._areas]
        )
        count = int(self._ends[-1]) if self._areas else 0
        self.shape = (count, config.channels, h, w)

    def __len__(self) -> int:
        return self.shape[0]

    def at_random(
        self, chosen: npt.NDArray[np.int64], generator: np.random.Generator
    ) -> Values:
        """Return one crop for each index, (B, C, h, w), at a random place of the area
        that has the crop with this index. So areas are chosen in proportion to their
        size.

        chosen: (B,), at least one, in 0..N-1.
        generator: chooses the places.
        """
        h, w = self.shape[2:]
        crops = []
        for i in np.searchsorted(self._ends, chosen, side="right"):
            area = self._areas[i]
            y = generator.integers(area.shape[1] - h + 1)
            x = generator.integers(area.shape[2] - w + 1)
            crops.append(area[:, y : y + h, x : x + w])
        return np.stack(crops)

    def side_by_side(self) -> Values:
        """Return crops that do not overlap, as many as fit, (N, C, h, w)."""
        h, w = self.shape[2:]
        crops: list[Values] = []
        for area in self._areas:
            for y in range(0, area.shape[1] - h + 1, h):
                row = area[:, y : y + h]
                lefts = range(0, area.shape[2] - w + 1, w)
                crops += [row[:, :, x : x + w] for x in lefts]
        return np.stack(crops)


def area_of(picture: Values, split: Split, config: NetworkConfig) -> Values:
    """Return the part of a picture (C, H, W) that belongs to a split.

    The longer side is divided: a tenth at its end, but at least the length of a crop,
    is for the test, as much before it for validation, and the rest for training. If a
    crop would not fit into the rest, the whole picture belongs to one split, which the
    hash of its pixels determines; for the others the result is empty, (C, 0, W).
    """
    axis = 1 if picture.shape[1] > picture.shape[2] else 2
    length = picture.shape[axis]
    crop = (config.height, config.width)[axis - 1]
    held_out = max(crop, length // 10)  # pixels for each of validation and test
    if length < 2 * held_out + crop:
        is_ours = hashed_split(picture.tobytes()) == split
        return picture if is_ours else picture[:, :0]
    bounds = [0, length - 2 * held_out, length - held_out, length]
    start = ("train", "valid", "test").index(split)
    return picture.take(range(bounds[start], bounds[start + 1]), axis)
