"""The images of a run: read from where its recipe says, and decoded into a cache beside
the run."""

from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from model_core.data.crops import Crops
from model_core.data.datasets import (
    SEEN,
    Dataset,
    open_dataset,
    read_dataset,
    read_greys,
    read_labelled,
    read_labelled_greys,
)
from model_core.data.download import download
from model_core.data.folder import PictureFolder
from model_core.data.labels import Labels
from model_core.data.options import ReadOptions
from model_core.data.originals import best_originals, greys_to_redraw
from model_core.data.palette import Palette
from model_core.data.splits import Pixels, Values, spread
from model_core.errors import ConfigError, DataError
from model_core.orientation import Orientation, check_orientation, turn
from model_core.training.recipe import Recipe


class RunImages:
    """The training and validation images of a recipe, the same in every process of a
    run.

    orientation: to which the images are turned for the network.
    """

    def __init__(
        self,
        recipe: Recipe,
        directory: Path,
        palette: Palette = (),
        cache: Path | None = None,
    ) -> None:
        """Check the options, and download the data if the recipe says so and it is not
        there. No image is read.

        directory: the run's.
        palette: the colours of the categories, if the network has them.
        cache: directory of decoded images. Default: `cache` beside the run.

        Raises DataError if the data cannot be downloaded; ConfigError if the
        orientation does not fit the network, or if the recipe combines crops with
        options that they exclude.
        """
        self._data = recipe.data
        self._config = recipe.network.config()
        self.orientation: Orientation = check_orientation(
            recipe.data.orientation, self._config.height, self._config.width
        )
        if self._config.multi_scale and self.orientation != "none":
            raise ConfigError(
                f"data.orientation = {self.orientation}: a Multi-Scale network takes "
                "only none, because the small image of a turned one is not the turned "
                "small image"
            )
        self._options = ReadOptions(
            recipe.data.resize,
            cache or directory.parent / "cache",
            palette,
            recipe.data.crops,
        )
        if recipe.data.crops and (
            recipe.data.originals or self._config.labels or recipe.data.train_images
        ):
            raise ConfigError(
                "data.crops: expected no data.originals, no network.labels and no "
                "data.train_images"
            )
        if recipe.data.download and not recipe.data.path.exists():
            download(recipe.data.path)

    @property
    def description(self) -> str:
        """What a card says of the data."""
        dataset: Dataset = open_dataset(self._data.path, self._options)
        if self._data.title:
            return f"{self._data.title}: {dataset.description}"
        return dataset.description

    def reading_report(self, train: int, valid: int) -> str:
        """Return one or two lines on the images that were read.

        train, valid: the number of training and of validation images.
        """
        dataset = open_dataset(self._data.path, self._options)
        line = f"{train} training and {valid} validation images: {self.description}"
        if isinstance(dataset, PictureFolder):
            return f"{line}\n{dataset.reading_report(self._config)}"
        return line

    def readable(self) -> int | None:
        """Return the number of pictures in a folder that can be read (with crops, of
        all its pictures); None if the data is no folder."""
        dataset = open_dataset(self._data.path, self._options)
        if not isinstance(dataset, PictureFolder):
            return None
        return dataset.readable(self._config)

    @property
    def has_originals(self) -> bool:
        """True if the training images are grey pictures, from which binary images are
        drawn again for every batch."""
        return self._data.originals is not None

    def train(self) -> tuple[Values | Pixels | Crops, Labels | None]:
        """Return the training images, uint8 (N, C, H, W), upright, and their labels if
        the network has labels, else None.

        With `has_originals` the images are grey pictures, bytes 0..255; with crops, the
        `Crops`. `Batches` turns, draws or cuts them when they are used.

        Raises DataError if they cannot be read or do not fit the network, ConfigError
        if the recipe's options do not fit the data.
        """
        if self._data.crops:
            return self._large_pictures().crops("train", self._config), None
        values, labels = self._fixed
        if self._data.originals is not None:
            greys, of_greys, chosen = self._originals
            if of_greys is not None:
                numbers = of_greys.numbers[chosen[: len(values)]]
                labels = Labels(of_greys.names, numbers)
            values = greys_to_redraw(values, chosen, greys)
        if labels is not None and len(labels.names) != self._config.labels:
            raise DataError(
                f"the data has {len(labels.names)} labels, {', '.join(labels.names)}: "
                f"expected network.labels = {len(labels.names)}, not "
                f"{self._config.labels}"
            )
        return values, labels

    def valid(self) -> tuple[Values, Labels | None]:
        """Return the validation images, uint8 (N, C, H, W), 0..V-1, in the recipe's
        orientation, and their labels if the network has labels, else None."""
        if self._data.crops:
            self._large_pictures()
        values, labels = self._read("valid", self._data.valid_images)
        if self._data.originals is not None:
            _, of_greys, chosen = self._originals
            if of_greys is not None:
                held_out = chosen[len(self._fixed[0]) :]
                numbers = of_greys.numbers[spread(held_out, self._data.valid_images)]
                labels = Labels(of_greys.names, numbers)
        return turn(values, self.orientation), labels

    def _large_pictures(self) -> PictureFolder:
        """Return the folder whose pictures the crops are of. Raise ConfigError for
        other data."""
        dataset = open_dataset(self._data.path, self._options)
        if not isinstance(dataset, PictureFolder):
            raise ConfigError(
                f"data.crops: expected a folder of pictures, not {self._data.path}"
            )
        return dataset

    def _read(
        self, split: Literal["train", "valid"], limit: int = 0
    ) -> tuple[Values, Labels | None]:
        """Return the upright images of a split, and their labels, if the network has
        labels that are not those of originals."""
        source = self._data.path, split, self._config, self._options
        if not self._config.labels or self._data.originals is not None:
            return spread(read_dataset(*source), limit), None
        values, labels = read_labelled(*source)
        return spread(values, limit), labels.spread(limit)

    @cached_property
    def _fixed(self) -> tuple[Values, Labels | None]:
        """The training images of the data set itself, which are not drawn again."""
        return self._read("train", self._data.train_images)

    @cached_property
    def _originals(self) -> tuple[Pixels, Labels | None, npt.NDArray[np.int64]]:
        """The grey originals, their labels, and the index of the original of each
        training image, followed by those of the validation images."""
        assert self._data.originals is not None
        if self._config.values != 2:
            raise ConfigError(
                "data.originals: expected a network of 2 values, not "
                f"{self._config.values}"
            )
        source = self._data.originals, SEEN, self._config, self._options
        labels = None
        if self._config.labels:
            greys, labels = read_labelled_greys(*source)
        else:
            greys = read_greys(*source)
        train, _ = self._fixed
        valid, _ = self._read("valid")
        return greys, labels, best_originals(np.concatenate((train, valid)), greys)
