"""The images of a run: where its recipe says they are, decoded into a cache that lies
beside the run."""

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
    """The training and validation images of a recipe, the same for every process of a
    run."""

    def __init__(
        self,
        recipe: Recipe,
        directory: Path,
        palette: Palette = (),
        cache: Path | None = None,
    ) -> None:
        """directory is the run's, palette that of categories; cache: directory of
        decoded images, by default `cache` beside the run. Raises DataError when there
        is no data, or it cannot be had; ConfigError when the orientation does not fit
        the network."""
        self._data = recipe.data
        self._config = recipe.network.config()
        self.orientation: Orientation = check_orientation(
            recipe.data.orientation, self._config.height, self._config.width
        )
        if self._config.multi_scale and self.orientation != "none":
            raise ConfigError(
                f"data.orientation = {self.orientation}: a Multi-Scale network takes "
                "only none, because the small "
                "image of a turned one is not the turned small image"
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
        """The data's line in a card."""
        dataset: Dataset = open_dataset(self._data.path, self._options)
        return (
            f"{self._data.title}: {dataset.description}"
            if self._data.title
            else dataset.description
        )

    def images_read(self, train: int, valid: int) -> str:
        """A line or two on what was read, where it gave these numbers of images."""
        dataset = open_dataset(self._data.path, self._options)
        line = f"{train} training and {valid} validation images: {self.description}"
        return (
            f"{line}\n{dataset.reading_report(self._config)}"
            if isinstance(dataset, PictureFolder)
            else line
        )

    def readable(self) -> int | None:
        """Return the number of pictures in a folder that can be read; else None."""
        dataset = open_dataset(self._data.path, self._options)
        if not isinstance(dataset, PictureFolder):
            return None
        return dataset.readable(self._config)

    @property
    def drawn(self) -> bool:
        """True if the training images are greys, of which every batch draws binary
        images anew."""
        return self._data.originals is not None

    def train(self) -> tuple[Values | Pixels | Crops, Labels | None]:
        """uint8 (N, C, H, W) as they lie on the disk: a batch is turned, or drawn of
        them, when it is read; and the labels, where the network has some. DataError
        when they cannot be read or are not the network's."""
        if self._data.crops:
            dataset = open_dataset(self._data.path, self._options)
            if not isinstance(dataset, PictureFolder):
                raise ConfigError(
                    f"data.crops: expected a folder of pictures, not {self._data.path}"
                )
            return dataset.crops("train", self._config), None
        values, labels = self._fixed
        if self._data.originals is not None:
            greys, of_greys, chosen = self._drawn_of
            labels = of_greys and Labels(
                of_greys.names, of_greys.numbers[chosen[: len(values)]]
            )
            values = greys_to_redraw(values, chosen, greys)
        if labels is not None and len(labels.names) != self._config.labels:
            raise DataError(
                f"the data has {len(labels.names)} labels, {', '.join(labels.names)}: "
                f"expected network.labels = {len(labels.names)}, not "
                f"{self._config.labels}"
            )
        return values, labels

    def valid(self) -> tuple[Values, Labels | None]:
        """uint8 (N, C, H, W), turned as the recipe says, and labels; DataError as in
        train."""
        values, labels = self._read("valid", self._data.valid_images)
        if self._data.originals is not None:
            _, of_greys, chosen = self._drawn_of
            held_out = spread(chosen[len(self._fixed[0]) :], self._data.valid_images)
            labels = of_greys and Labels(of_greys.names, of_greys.numbers[held_out])
        return turn(values, self.orientation), labels

    def _read(
        self, split: Literal["train", "valid"], limit: int = 0
    ) -> tuple[Values, Labels | None]:
        """The images as they are, and their labels, where the network has some and no
        originals have them."""
        if not self._config.labels or self._data.originals is not None:
            return spread(
                read_dataset(self._data.path, split, self._config, self._options), limit
            ), None
        values, labels = read_labelled(
            self._data.path, split, self._config, self._options
        )
        return spread(values, limit), labels.spread(limit)

    @cached_property
    def _fixed(self) -> tuple[Values, Labels | None]:
        """The training images before any is drawn anew."""
        return self._read("train", self._data.train_images)

    @cached_property
    def _drawn_of(self) -> tuple[Pixels, Labels | None, npt.NDArray[np.int64]]:
        """The grey originals, their labels, and which of them each training image, and
        each held out behind these, is a draw of."""
        assert self._data.originals is not None
        if self._config.values != 2:
            raise ConfigError(
                "data.originals: expected a network of 2 values, not "
                f"{self._config.values}"
            )
        where = self._data.originals, SEEN, self._config, self._options
        greys, labels = (
            read_labelled_greys(*where)
            if self._config.labels
            else (read_greys(*where), None)
        )
        return (
            greys,
            labels,
            best_originals(
                np.concatenate((self._fixed[0], self._read("valid")[0])), greys
            ),
        )
