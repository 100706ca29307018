"""Any folder of pictures, searched with its subfolders."""

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
    read_split_pictures,
    read_whole_pictures,
)
from model_core.data.picture_names import ALL_SUFFIXES, find_pictures
from model_core.data.splits import HASHED_SPLIT, Split, Values
from model_core.errors import DataError


@dataclass(frozen=True)
class PictureFolder:
    """Pictures of any size and format; the pixels of each decide its split, so adding some never moves the others."""

    path: Path
    options: ReadOptions

    @classmethod
    def recognise(cls, path: Path, options: ReadOptions) -> Self | None:
        """The data set at this path, or None."""
        is_one = path.is_dir() and any(
            found.suffix.lower() in ALL_SUFFIXES for found in path.rglob("*")
        )
        return cls(path, options) if is_one else None

    @property
    def description(self) -> str:
        """The folder's name, and all that was done to its pictures."""
        return f"{self.path.resolve().name} ({self.preparation})"

    @property
    def preparation(self) -> str:
        """What is done to the pictures of any folder that is read with these options."""
        if self.options.crops:
            return f"a folder of pictures: crops at random places, {CROPPED_SPLIT}"
        resize = "nearest" if self.options.palette else self.options.resize
        return f"a folder of pictures: centre crop, {resize} resize, {HASHED_SPLIT}"

    def conversion(self, config: NetworkConfig) -> str | None:
        """A sentence on what would have to be done to its pictures for a network of this kind; None: nothing."""
        names = find_pictures(self.path)
        converted = converted_pictures(self.path, names, config, self.options.palette)
        if not converted:
            return None
        kind = f"{config.width}x{config.height} in {'grey' if config.channels == 1 else 'RGB'}"
        return (
            f"{converted} of {len(names)} pictures in {self.path} and its folders are not {kind} with the model's "
            f"{config.values} values: they would be cropped, resized or converted"
        )

    def palette(self, config: NetworkConfig, most: int) -> tuple[Palette, str]:
        """The colours of its pictures, at most so many, and how they were found."""
        colours, count = find_palette(
            self.path, find_pictures(self.path), config, most, self.options.crops
        )
        exactly = len(colours) == count
        return (
            colours,
            "all that there are"
            if exactly
            else f"by median cut of {count}, of which each takes the nearest",
        )

    def pictures_read(self, config: NetworkConfig) -> str:
        """A sentence on the pictures: how many files could be read, their sizes, and how many are kept for a test."""
        names = find_pictures(self.path)
        if self.options.crops:
            crops = f"{len(names)} picture file{'s' * (len(names) != 1)}: crops of {config.width}x{config.height}"
            test = len(self.crops("test", config))
            return f"{crops} are taken at random places; {test}, side by side, are kept for the test"
        splits = read_split_pictures(self.path, names, config, self.options)
        of = np.concatenate([split.origins for split in splits.values()])
        sizes = np.unique(
            np.stack([of["height"], of["width"]], 1), axis=0
        )  # (sizes, 2), the smallest first
        others = int(
            ((of["width"] != config.width) | (of["height"] != config.height)).sum()
        )
        ends = " to ".join(
            dict.fromkeys(
                f"{width}x{height}" for height, width in (sizes[0], sizes[-1])
            )
        )
        left_out = (
            f", {len(names) - len(of)} cannot be and are left out"
            if len(of) < len(names)
            else ""
        )
        return (
            f"{len(of)} of {len(names)} files were read{left_out}; they are {ends}, and {others} were cropped and "
            f"resized to {config.width}x{config.height}; {len(splits['test'].values)} are kept for the test"
        )

    def readable(self, config: NetworkConfig) -> int:
        """Return the number of pictures that can be read; of crops that of all files."""
        names = find_pictures(self.path)
        if self.options.crops:
            return len(names)
        splits = read_split_pictures(self.path, names, config, self.options)
        return sum(len(split.values) for split in splits.values())

    def read(self, split: Split, config: NetworkConfig) -> Values:
        """(N, C, H, W) in 0..V-1; DataError when the split is empty or nothing in it can be read."""
        if self.options.crops:
            return self.crops(split, config).side_by_side()
        return self._read(find_pictures(self.path), split, config).values

    def crops(self, split: Split, config: NetworkConfig) -> Crops:
        """The crops of one split, where they are parts of larger pictures; DataError when there are none."""
        pictures = read_whole_pictures(
            self.path, find_pictures(self.path), config, self.options
        )
        if len(
            found := Crops(
                (area_of(picture, split, config) for picture in pictures), config
            )
        ):
            return found
        size = f"{config.width}x{config.height} for the {split} split: expected one of three times that length or more"
        raise DataError(f"no picture in {self.path} has a crop of {size}")

    def labelled(self, split: Split, config: NetworkConfig) -> tuple[Values, Labels]:
        """The same, and the folders in the folder as labels of the pictures in them, also of those further down;
        DataError when a picture lies in none."""
        names = find_pictures(self.path)
        lone = [name for name in names if "/" not in name]
        if lone:
            raise DataError(
                f"{self.path / lone[0]} has no label: expected all pictures in folders, one a label"
            )
        folders, numbers = np.unique(
            [name.partition("/")[0] for name in names], return_inverse=True
        )
        found = self._read(names, split, config)
        return found.values, Labels.numbered(
            numbers[found.origins["file"]], folders.tolist(), self.path
        )

    def _read(
        self, names: Sequence[str], split: Split, config: NetworkConfig
    ) -> SplitPictures:
        found = read_split_pictures(self.path, names, config, self.options)[split]
        if not len(found.values):
            raise DataError(
                f"none of the {len(names)} pictures in {self.path} falls into the {split} split: expected 3 different "
                f"pictures or more, of which it gets its part ({HASHED_SPLIT})"
            )
        return found
