"""The images of a run: where its recipe says they are, decoded into a cache that lies beside the run."""

from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt

from model_core.data.datasets import Dataset, labels_of, open_dataset, read_dataset, read_greys, read_labels
from model_core.data.download import download
from model_core.data.labels import Labels
from model_core.data.options import ReadOptions
from model_core.data.originals import matches, redrawn
from model_core.data.splits import Pixels, Values, spread
from model_core.errors import ConfigError, DataError
from model_core.orientation import Orientation, check_orientation, turn
from model_core.training.recipe import Recipe

_SEEN = "train", "valid"
"""Splits of the originals that training may see."""


class RunImages:
    """The training and validation images of a recipe, the same for every process of a run."""

    def __init__(self, recipe: Recipe, directory: Path) -> None:
        """directory is the run's. Raises DataError when there is no data, or it cannot be had; ConfigError when the
        orientation does not fit the network."""
        self._data = recipe.data
        self._config = recipe.network.config()
        self.orientation: Orientation = check_orientation(
            recipe.data.orientation, self._config.height, self._config.width
        )
        if self._config.multi_scale and self.orientation != "none":
            raise ConfigError(
                f"data.orientation = {self.orientation}: a Multi-Scale network takes only none, because the small "
                "image of a turned one is not the turned small image"
            )
        self._options = ReadOptions(recipe.data.resize, directory.parent / "cache")
        if recipe.data.download and not recipe.data.path.exists():
            download(recipe.data.path)

    @property
    def description(self) -> str:
        """The data's line in a card."""
        dataset: Dataset = open_dataset(self._data.path, self._options)
        return f"{self._data.title}: {dataset.description}" if self._data.title else dataset.description

    @property
    def drawn(self) -> bool:
        """True if the training images are greys, of which every batch draws binary images anew."""
        return self._data.originals is not None

    def train(self) -> Values | Pixels:
        """uint8 (N, C, H, W) as they lie on the disk: a batch is turned, or drawn of them, when it is read. DataError
        when they cannot be read or are not the network's."""
        if self._data.originals is None:
            return self._fixed
        greys, chosen = self._drawn_of
        return redrawn(self._fixed, chosen, greys)

    def train_labels(self) -> Labels | None:
        """The labels of the training images, where the network has labels; DataError when there are none, or not as
        many as the network has."""
        if not self._config.labels:
            return None
        found = self._labels("train", self._data.train_images)
        if len(found.names) != self._config.labels:
            raise DataError(
                f"the data has {len(found.names)} labels, {', '.join(found.names)}: "
                f"expected network.labels = {len(found.names)}, not {self._config.labels}"
            )
        return found

    def valid_labels(self) -> Labels | None:
        """The labels of the validation images."""
        return self._labels("valid", self._data.valid_images) if self._config.labels else None

    def _labels(self, split: Literal["train", "valid"], limit: int) -> Labels:
        if self._data.originals is None:
            found = read_labels(self._data.path, split, self._config, self._options)
            return Labels(found.names, spread(found.of, limit))
        (_, chosen), count = self._drawn_of, len(self._fixed)
        found = labels_of(self._data.originals, _SEEN, self._config, self._options)
        ours = chosen[:count] if split == "train" else spread(chosen[count:], limit)
        return Labels(found.names, found.of[ours])

    @cached_property
    def _fixed(self) -> Values:
        """The training images as they are, before any is drawn anew."""
        return spread(read_dataset(self._data.path, "train", self._config, self._options), self._data.train_images)

    @cached_property
    def _drawn_of(self) -> tuple[Pixels, npt.NDArray[np.int64]]:
        """The grey originals, and which of them each training image, and each held out behind these, is a draw of."""
        assert self._data.originals is not None
        if self._config.values != 2:
            raise ConfigError(f"data.originals: expected a network of 2 values, not {self._config.values}")
        greys = read_greys(self._data.originals, _SEEN, self._config, self._options)
        held_out = read_dataset(self._data.path, "valid", self._config, self._options)
        return greys, matches(np.concatenate((self._fixed, held_out)), greys)

    def valid(self) -> Values:
        """uint8 (N, C, H, W), turned as the recipe says; DataError as in train."""
        values = read_dataset(self._data.path, "valid", self._config, self._options)
        return turn(spread(values, self._data.valid_images), self.orientation)
