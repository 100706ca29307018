"""A data set that is a folder of pictures of any size and format, including its
subfolders."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np

from model_core.config import NetworkConfig
from model_core.data.crops import CROPPED_SPLIT, Crops, area_of
from model_core.data.labels import Labels
from model_core.data.options import ReadOptions
from model_core.data.palette import Palette
from model_core.data.picture_files import (
    SplitPictures,
    converted_pictures,
    find_palette,
    first_names,
    read_split_pictures,
    read_whole_pictures,
)
from model_core.data.picture_names import ALL_SUFFIXES, find_pictures
from model_core.data.splits import HASHED_SPLIT, Split, Values
from model_core.errors import DataError


@dataclass(frozen=True)
class PictureFolder:
    """A data set in a folder of pictures of any size and format, including its
    subfolders. The split of a picture depends on its pixels alone, so adding pictures
    does not move others, except if there are very few.

    path: the folder.
    options: how pictures are read.
    """

    path: Path
    options: ReadOptions

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """Return the data set if `path` is a directory with a file in it or below that
        has the suffix of a picture, otherwise None."""
        is_one = path.is_dir() and any(
            found.suffix.lower() in ALL_SUFFIXES for found in path.rglob("*")
        )
        return cls(path, options) if is_one else None

    @property
    def description(self) -> str:
        """The folder's name, and how its pictures are prepared; for a model's card."""
        return f"{self.path.resolve().name} ({self.preparation})"

    @property
    def preparation(self) -> str:
        """How the pictures of any folder are prepared with these options, in words."""
        if self.options.crops:
            return f"a folder of pictures: crops at random places, {CROPPED_SPLIT}"
        resize = "nearest" if self.options.palette else self.options.resize
        return f"a folder of pictures: centre crop, {resize} resize, {HASHED_SPLIT}"

    def conversion(self, config: NetworkConfig) -> str | None:
        """Return a sentence that says how many pictures would have to be cropped,
        resized or converted for this network; None if all fit. All pictures are
        read."""
        names = find_pictures(self.path)
        converted = converted_pictures(self.path, names, config, self.options.palette)
        if not converted:
            return None
        colours = "grey" if config.channels == 1 else "RGB"
        return (
            f"{converted} of {len(names)} pictures in {self.path} and its folders are "
            f"not {config.width}x{config.height} in {colours} with the model's "
            f"{config.values} values: they would be cropped, resized or converted"
        )

    def palette(self, config: NetworkConfig, most: int) -> tuple[Palette, str]:
        """Return at most `most` colours of the pictures, and in words how they were
        found. Raises DataError if no picture can be read."""
        colours, count = find_palette(
            self.path, find_pictures(self.path), config, most, self.options.crops
        )
        if len(colours) == count:
            return colours, "all that there are"
        return colours, f"by median cut of {count}, of which each takes the nearest"

    def reading_report(self, config: NetworkConfig) -> str:
        """Return a sentence that says how many files could be read, their sizes, and
        how many images are kept for the test. With the option `crops` it says the
        number of all picture files and the size of the crops. Raises DataError if no
        picture can be read, or no crop is kept for the test."""
        names = find_pictures(self.path)
        size = f"{config.width}x{config.height}"
        if self.options.crops:
            test = len(self.crops("test", config))
            plural = "" if len(names) == 1 else "s"
            return (
                f"{len(names)} picture file{plural}: crops of {size} are taken at "
                f"random places; {test}, side by side, are kept for the test"
            )
        splits = read_split_pictures(self.path, names, config, self.options)
        origins = np.concatenate([split.origins for split in splits.values()])
        widths = origins["width"]
        heights = origins["height"]
        resized = int(((widths != config.width) | (heights != config.height)).sum())

        sizes = np.unique(np.stack([heights, widths], 1), axis=0)  # (sizes, 2)
        extremes = [f"{width}x{height}" for height, width in (sizes[0], sizes[-1])]
        lost = sorted({*names} - {names[number] for number in origins["file"]})
        left_out = ""
        if lost:
            left_out = f", {len(lost)} cannot be and are left out ({first_names(lost)})"
        return (
            f"{len(origins)} of {len(names)} files were read{left_out}; they are "
            f"{' to '.join(dict.fromkeys(extremes))}, and {resized} were cropped and "
            f"resized to {size}; {len(splits['test'].values)} are kept for the test"
        )

    def readable(self, config: NetworkConfig) -> int:
        """Return the number of pictures that can be read; raises DataError if none can.
        With the option `crops`, return the number of all picture files without reading
        them."""
        names = find_pictures(self.path)
        if self.options.crops:
            return len(names)
        splits = read_split_pictures(self.path, names, config, self.options)
        return sum(len(split.values) for split in splits.values())

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """Return the images of a split, (N, C, H, W), in 0..V-1; with the option
        `crops`, all crops that fit side by side. Raises DataError if the split is empty
        or no picture can be read."""
        if self.options.crops:
            return self.crops(split, config).side_by_side()
        return self._read(find_pictures(self.path), split, config).values

    def crops(self, split: Split, config: NetworkConfig) -> Crops:
        """Return the crops of one split of larger pictures. Raises DataError if there
        are none."""
        pictures = read_whole_pictures(
            self.path, find_pictures(self.path), config, self.options
        )
        areas = (area_of(picture, split, config) for picture in pictures)
        crops = Crops(areas, config)
        if len(crops) == 0:
            raise DataError(
                f"no picture in {self.path} has a crop of "
                f"{config.width}x{config.height} for the {split} split: expected one "
                "of three times that length or more"
            )
        return crops

    def read_labelled(
        self, split: Split, config: NetworkConfig
    ) -> tuple[Values, Labels]:
        """Return the images of a split, uint8 (N, C, H, W) in 0..V-1, and their labels:
        a picture's label is the name of the subfolder that contains it, at any depth.
        Raises DataError with the option `crops`, and if a picture is in no
        subfolder."""
        if self.options.crops:
            # Else parts of pictures would get into the cache in place of images.
            raise DataError(
                f"crops of the pictures in {self.path} have no labels: expected a "
                "network without labels, or data without crops"
            )
        names = find_pictures(self.path)
        lone = [name for name in names if "/" not in name]
        if lone:
            raise DataError(
                f"{self.path / lone[0]} has no label: expected all pictures in "
                "folders, one for each label"
            )
        folders, numbers = np.unique(
            [name.partition("/")[0] for name in names], return_inverse=True
        )
        found = self._read(names, split, config)
        numbers = numbers[found.origins["file"]]
        return found.values, Labels.from_numbers(numbers, folders.tolist(), self.path)

    def _read(
        self, names: Sequence[str], split: Split, config: NetworkConfig
    ) -> SplitPictures:
        """Return the pictures of a split. Raise DataError if there are none."""
        found = read_split_pictures(self.path, names, config, self.options)[split]
        if not len(found.values):
            raise DataError(
                f"there is no picture for the {split} split in {self.path}, which has "
                f"{len(names)}: expected 3 different ones or more, which are split "
                f"{HASHED_SPLIT}"
            )
        return found
